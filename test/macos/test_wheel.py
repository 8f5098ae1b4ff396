"""Wheels for macOS are well-formed, installable and reproducible."""

import base64
import hashlib
import subprocess
import sys
import zipfile

import pytest

from tools.macos import wheel

TAG = "cp311-abi3-macosx_14_0_arm64"


@pytest.fixture
def packed(tmp_path):
    module = tmp_path / "module.so"
    module.write_bytes(b"machine code")
    return wheel.pack(module, tmp_path / "dist")


def test_a_wheel_holds_the_package_its_module_and_what_loads_it(packed):
    assert packed.name.startswith("torch_metal-") and packed.name.endswith(f"-{TAG}.whl")
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
        assert archive.read("torch_metal/_C.so") == b"machine code"
        assert {"torch_metal/__init__.py", "torch_metal_autoload.py"} <= set(names)
        assert not [name for name in names if name.startswith(("torch_metal/lib", "torch_metal/bin"))]
        assert "Requires-Dist: torch==2.13.0" in archive.read(f"{info}/METADATA").decode()
        assert f"Tag: {TAG}" in archive.read(f"{info}/WHEEL").decode()
        assert "torch_metal_autoload:load" in archive.read(f"{info}/entry_points.txt").decode()
        for row in archive.read(f"{info}/RECORD").decode().splitlines():
            name, digest, size = row.split(",")
            if digest:
                content = archive.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={expected}", str(len(content)))


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_pip_installs_it_for_a_mac(packed, python, tmp_path):
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--no-index"]
    command += ["--platform", "macosx_14_0_arm64", "--python-version", python, "--implementation", "cp"]
    subprocess.run([*command, "--target", tmp_path / "site", packed], check=True)
    assert (tmp_path / "site" / "torch_metal" / "_C.so").read_bytes() == b"machine code"
    assert (tmp_path / "site" / "torch_metal_autoload.py").exists()


def test_equal_contents_are_equal_bytes(packed, tmp_path):
    again = wheel.pack(tmp_path / "module.so", tmp_path / "again")
    assert again.read_bytes() == packed.read_bytes()
