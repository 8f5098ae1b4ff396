"""Apple's metal-cpp headers, which the mlx-metal wheel carries; no package on PyPI has them alone."""

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PREFIX = "mlx/include/metal_cpp/"


def requirement() -> str:
    """"mlx-metal==0.32.4", as requirements.txt pins it."""
    return re.search(r"^mlx-metal==[\w.]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[0]


def metal_cpp() -> Path:
    """The folder to include from, downloaded at first use into the user's cache. RuntimeError without a network."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch_metal_build"
    folder = cache / requirement()
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as download:
            with zipfile.ZipFile(fetch_wheel(Path(download))) as wheel:
                wheel.extractall(download, [name for name in wheel.namelist() if name.startswith(PREFIX)])
            install(Path(download) / PREFIX, folder)
    return folder


def fetch_wheel(into: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
               "--platform=macosx_14_0_arm64", f"--dest={into}", requirement()]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"The metal-cpp headers come with the wheel {requirement()}, which pip could not download; "
                           f"is there a network, and a package index that has it?\n{result.stderr}")
    return next(into.glob("*.whl"))


def install(headers: Path, folder: Path) -> None:
    """Puts complete headers in place at once; another process may have been faster."""
    try:
        headers.rename(folder)
    except OSError:
        if not folder.exists():
            raise
