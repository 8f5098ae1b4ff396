"""All checks of a built module."""

from pathlib import Path

from tools.macos import linkcheck, parts, selectors
from tools.macos.findings import Finding, table

APPLE_SOURCES = selectors.ROOT / "csrc" / "metal" / "apple"
METAL_CPP_OBJECT = "metal_cpp.cpp.o"  # defines all of metal-cpp's selectors, used or not


def check(module: Path, objects: list[Path]) -> list[Finding]:
    """Findings in `module`, which was linked from `objects`. An empty list is a pass."""
    # objc.h defines send() and its kin, and sends nothing of its own but a method of NSObject.
    sent, found = [], []
    for path in sorted({*APPLE_SOURCES.glob("*.cpp"), *APPLE_SOURCES.glob("*.h")} - {APPLE_SOURCES / "objc.h"}):
        uses, unreadable = selectors.source_uses(path)
        sent += uses
        found += unreadable
    used = [use for path in objects if path.name != METAL_CPP_OBJECT
            for use in selectors.object_uses(path, parts.metal_cpp())]  # fmt: skip
    reviewed = table("reviewed_selectors")
    return [
        *linkcheck.check(module, linkcheck.exports()),
        *found,
        *selectors.review_findings(reviewed),
        *selectors.check(sent + used, reviewed),
        *selectors.check_binary(module, sent),
    ]
