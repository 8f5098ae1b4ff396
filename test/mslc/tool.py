"""Runs the mslc command, as a user of a shell would."""

import os
import subprocess
from pathlib import Path

MSLC = Path(os.environ.get("TORCH_METAL_MSLC", Path(__file__).parents[2] / "torch_metal" / "bin" / "mslc"))
PRELUDE = "#include <metal_stdlib>\nusing namespace metal;\n"


def mslc(*arguments, **environment) -> subprocess.CompletedProcess:
    """Runs mslc with `environment` on top of this process's; a value of None removes the variable."""
    variables = {**os.environ, **environment}
    variables = {name: str(value) for name, value in variables.items() if value is not None}
    return subprocess.run([MSLC, *map(str, arguments)], capture_output=True, text=True, env=variables, timeout=120)


def compile_source(folder: Path, source: str, *options, **environment) -> subprocess.CompletedProcess:
    """Compiles `source` from folder/k.metal."""
    path = folder / "k.metal"
    path.write_text(source)
    return mslc(path, *options, **environment)
