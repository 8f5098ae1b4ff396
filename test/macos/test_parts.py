"""Parts are what their pins say, and unpacked whole or not at all."""

import hashlib
import os
import zipfile

import pytest

from tools.macos import parts


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel that pip finds, and an empty cache."""
    path = tmp_path / "index" / "thing-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        tool = zipfile.ZipInfo("thing/tool")
        tool.external_attr = 0o100755 << 16
        archive.writestr(tool, "#!/bin/sh\n")
        archive.writestr("thing/unwanted", "")
        archive.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("thing-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def pin(monkeypatch, sha256):
    monkeypatch.setitem(parts.PARTS, "thing", parts.Part("thing", "1.0", sha256, (), ("thing/t*",)))


def test_a_part_is_the_wanted_files_of_its_wheel(wheel, monkeypatch):
    pin(monkeypatch, hashlib.sha256(wheel.read_bytes()).hexdigest())
    folder = parts.fetch("thing")
    assert [p.name for p in (folder / "thing").iterdir()] == ["tool"]
    assert os.access(folder / "thing" / "tool", os.X_OK)
    wheel.unlink()
    assert parts.fetch("thing") == folder  # from the cache


def test_another_wheel_than_the_pinned_one_is_refused(wheel, monkeypatch):
    pin(monkeypatch, "0" * 64)
    with pytest.raises(RuntimeError, match="(?s)thing 1.0.*HASH"):
        parts.fetch("thing")
    left = [p for p in (parts.cache_folder() / "parts").iterdir() if p.suffix != ".lock"]
    assert left == []
