"""Does the dynamic linker of the oldest macOS load the module?

Every undefined symbol must be exported by the library that it is bound to: torch's by its wheel for macOS; the system's
by evidence, which is that wheels which run on that macOS import it; Python's must belong to its stable ABI.
"""

from pathlib import Path

from tools import stable_abi
from tools.macos import macho, parts, sdk
from tools.macos.findings import Finding

INIT = "_PyInit__C"
TORCH_PATH = "@loader_path/../torch/lib"


def exports() -> dict[str, dict[str, bool]]:
    """Library -> symbol -> whether it is certainly there. "" stands for Python, whose version is not known."""
    known = sdk.evidence()
    for library, path in parts.torch_libraries().items():
        known[library] = dict.fromkeys(macho.defined_symbols(path), True)
    known[""] = {f"_{symbol}": True for symbol in stable_abi.symbols()}
    return known


def missing_symbols(references: list[macho.Reference], known: dict[str, dict[str, bool]]) -> list[Finding]:
    """Undefined symbols of which nothing shows that they are exported where they are looked for."""
    found = []
    for symbol, library, weak in references:
        certain = known.get(library, {}).get(symbol)
        if certain is None:
            source = library or "every Python (the stable ABI), and no other library is linked that has it"
            found.append(Finding("link", f"{symbol}: nothing shows that it is exported by {source}"))
        elif not certain and not weak:
            found.append(Finding("link", f"{symbol}: only seen as a weak import of {library}, so it may be missing"))
    return found


def check(module: Path, known: dict[str, dict[str, bool]], init: str = INIT) -> list[Finding]:
    """What keeps `module` from loading, or makes it offer more than its init function. `known`: see `exports`."""
    found = missing_symbols(macho.references(module), known)
    for symbol in sorted(macho.exported_symbols(module) ^ {init}):
        what = "is not exported" if symbol == init else "is exported, but only the init function may be"
        found.append(Finding("exports", f"{symbol} {what}"))
    minimum = macho.minimum_os(module)
    if minimum != sdk.DEPLOYMENT_TARGET:
        built, wanted = (".".join(map(str, version)) for version in (minimum, sdk.DEPLOYMENT_TARGET))
        found.append(Finding("minimum OS", f"{module.name} is built for macOS {built}, not {wanted}"))
    if not macho.is_signed(module):
        found.append(Finding("signature", f"{module.name} has none, and Apple silicon runs no code without"))
    return found + library_findings(module)


def library_findings(module: Path) -> list[Finding]:
    """Libraries that are neither the system's nor torch's, and a path that does not lead to torch's."""
    libraries, paths = macho.loaded_libraries(module)
    expected = {*sdk.LIBRARIES.values(), *(f"@rpath/{name}.dylib" for name in parts.TORCH_LIBRARIES)}
    found = [Finding("libraries", f"{name} is loaded, which no Mac is known to have") for name in libraries - expected]
    if any(name.startswith("@rpath") for name in libraries) and TORCH_PATH not in paths:
        found.append(Finding("libraries", f"torch's libraries are not looked for in {TORCH_PATH}"))
    return sorted(found)
