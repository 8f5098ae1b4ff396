"""A small SDK for macOS, made of what is on PyPI: headers, and stubs of the system's libraries.

The stubs name only symbols that wheels built for macOS 14 or older import from the system. What is not in them does not
link, even if some macOS has it.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path

from tools.macos import findings, macho, parts

DEPLOYMENT_TARGET = (14, 0)
INCLUDE = Path(__file__).parent / "include"
CONFIGURATION = "clang.cfg"
EVIDENCE = "evidence.json"

# Library, as the tools print it -> its place in the system.
LIBRARIES = {
    "libSystem": "/usr/lib/libSystem.B.dylib",
    "libc++": "/usr/lib/libc++.1.dylib",
    "libobjc": "/usr/lib/libobjc.A.dylib",
    "Foundation": "/System/Library/Frameworks/Foundation.framework/Versions/C/Foundation",
    **{
        name: f"/System/Library/Frameworks/{name}.framework/Versions/A/{name}"
        for name in ("CoreFoundation", "Metal", "MetalPerformanceShaders", "MetalPerformanceShadersGraph")
    },
}
# The name that the linker looks for.
STUBS = {
    name: f"System/Library/Frameworks/{name}.framework/{name}.tbd"
    if ".framework" in path
    else f"usr/lib/{name}.tbd"
    for name, path in LIBRARIES.items()
}
# What a build of libc++ for macOS states in its __config_site, which zig's headers come without. Annotations of
# availability keep the headers to what the libc++.dylib of the oldest macOS has.
LIBCXX_SITE = """
    ABI_VERSION=1 ABI_NAMESPACE=__1 HAS_VENDOR_AVAILABILITY_ANNOTATIONS=1 HAS_MUSL_LIBC=0
    HAS_THREADS=1 HAS_MONOTONIC_CLOCK=1 HAS_TERMINAL=1 HAS_FILESYSTEM=1 HAS_RANDOM_DEVICE=1 HAS_LOCALIZATION=1
    HAS_UNICODE=1 HAS_WIDE_CHARACTERS=1 HAS_NO_STD_MODULES=1 PSTL_BACKEND_SERIAL=1
    HARDENING_MODE=_LIBCPP_HARDENING_MODE_NONE ASSERTION_SEMANTIC_DEFAULT=_LIBCPP_ASSERTION_SEMANTIC_IGNORE
""".split()


def evidence() -> dict[str, dict[str, bool]]:
    """System library -> symbol -> whether it is certainly there: some wheel needs it, or a reviewer has let it pass. False
    means that the wheels which import it can do without it."""
    return json.loads((fetch() / EVIDENCE).read_text())


def _gather_evidence() -> dict[str, dict[str, bool]]:
    wheels = [*(parts.fetch("torch") / "torch" / "lib").glob("*.dylib"),
              *(parts.fetch("mlx-metal") / "mlx" / "lib").glob("*.dylib")]  # fmt: skip
    seen: dict[str, dict[str, bool]] = defaultdict(dict)
    for path in sorted(wheels):
        if macho.minimum_os(path) > DEPLOYMENT_TARGET:
            raise RuntimeError(f"{path} needs a newer macOS than {DEPLOYMENT_TARGET}, so it proves nothing")
        for symbol, library, weak in macho.references(path):
            if library in LIBRARIES:
                seen[library][symbol] = seen[library].get(symbol, False) or not weak
    for row in findings.table("reviewed_symbols"):
        seen[row["library"]][row["symbol"]] = True
    return seen


def clang_configuration(root: Path) -> str:
    """A configuration file of clang, which makes it compile and link for macOS with the SDK in `root`."""
    zig = parts.zig() / "lib"
    return "\n".join(
        [
            f"--target=arm64-apple-macos{'.'.join(map(str, DEPLOYMENT_TARGET))}",
            f"-isysroot {root}",
            f"-resource-dir {zig}",
            *(f"-D_LIBCPP_{setting}" for setting in LIBCXX_SITE),
            "-fno-sized-deallocation",  # as Apple's clang does for this target
            # Messages name files without this machine's folders: equal sources give equal bytes.
            f"-ffile-prefix-map={parts.cache_folder()}/=",
            f"-fuse-ld=lld --ld-path={macho.llvm_tool('ld64.lld')}",
            "",
        ]
    )


def stub(install_name: str, symbols: list[str]) -> str:
    """A text-based library (.tbd) that exports `symbols`."""
    lines = ["--- !tapi-tbd", "tbd-version: 4", "targets: [ arm64-macos ]", f"install-name: '{install_name}'"]
    if symbols:
        names = ", ".join(f"'{s}'" for s in sorted(symbols))
        lines += ["exports:", "  - targets: [ arm64-macos ]", f"    symbols: [ {names} ]"]
    return "\n".join([*lines, "...", ""])


def _link_all(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if not (target / path.name).exists():
            (target / path.name).symlink_to(path)


def _assemble(root: Path, place: Path) -> None:
    """Writes into `root` what will lie at `place`."""
    zig = parts.zig() / "lib"
    _link_all(zig / "libc" / "include" / "any-darwin-any", root / "usr" / "include")
    for headers in ("libcxx", "libcxxabi"):
        _link_all(zig / headers / "include", root / "usr" / "include" / "c++" / "v1")
    _link_all(INCLUDE, root / "usr" / "include")
    symbols = _gather_evidence()
    (root / EVIDENCE).write_text(json.dumps(symbols))
    for name, install_name in LIBRARIES.items():
        path = root / STUBS[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(stub(install_name, list(symbols[name])))
    (root / CONFIGURATION).write_text(clang_configuration(place))


def fetch() -> Path:
    """The SDK's folder, assembled in the cache if it is not there."""
    inputs = [parts.PARTS[name].folder_name.encode() for name in ("torch", "mlx-metal", "ziglang")]
    inputs += [path.read_bytes() for path in (Path(__file__), findings.TABLES / "reviewed_symbols.tsv")]
    inputs += [str(INCLUDE).encode()]  # the SDK points to these headers
    folder = parts.cache_folder() / f"sdk-{hashlib.sha256(b''.join(inputs)).hexdigest()[:12]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            _assemble(Path(scratch) / "sdk", folder)
            with contextlib.suppress(OSError):  # another process may have been faster
                os.rename(Path(scratch) / "sdk", folder)
    return folder


def clang() -> list[str]:
    """The command of clang for macOS; add --driver-mode=g++ for C++."""
    return [str(parts.zig() / "zig"), "clang", f"--config={fetch() / CONFIGURATION}"]
