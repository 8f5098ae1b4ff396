"""The compiler's cache on disk: what hits, what misses, and that nothing found there can do harm."""

import os
import subprocess
from pathlib import Path

import pytest

from test.mslc.tool import MSLC, PRELUDE, compile_source, mslc

KERNEL = PRELUDE + "kernel void k(device float* o, uint i [[thread_position_in_grid]]) { o[i] = i; }\n"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TORCH_METAL_CACHE_DIR", str(folder))
    return folder


def files(cache: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}


def test_a_second_compilation_stores_nothing_and_says_the_same(cache, tmp_path):
    first = compile_source(tmp_path, KERNEL)
    stored = files(cache)
    second = compile_source(tmp_path, KERNEL)
    assert first.returncode == 0 and stored
    assert second.stdout == first.stdout
    assert files(cache) == stored


@pytest.mark.parametrize("change", ["source", "macro", "fast_math", "include_folder"])
def test_what_a_result_depends_on_is_in_its_key(change, cache, tmp_path):
    compile_source(tmp_path, KERNEL)
    stored = files(cache)
    options = {"macro": ["-DX=1"], "fast_math": ["--fast-math"], "include_folder": ["-I", tmp_path]}.get(change, [])
    compile_source(tmp_path, KERNEL + ("// more\n" if change == "source" else ""), *options)
    assert len(files(cache)) > len(stored)


def test_an_edited_include_is_seen(cache, tmp_path):
    header = tmp_path / "value.h"
    source = '#include "value.h"\n' + KERNEL.replace("uint i", "VALUE i")
    header.write_text("#define VALUE uint")
    assert "uint     " in compile_source(tmp_path, source).stdout
    header.write_text("#define VALUE ushort")
    assert "ushort   " in compile_source(tmp_path, source).stdout
    header.unlink()
    assert "'value.h' file not found" in compile_source(tmp_path, source).stderr


def test_an_include_that_appears_earlier_in_the_search_is_seen(cache, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "second" / "value.h").write_text("#define VALUE uint")
    source = "#include <value.h>\n" + KERNEL.replace("uint i", "VALUE i")
    options = ["-I", tmp_path / "first", "-I", tmp_path / "second"]
    assert "uint     " in compile_source(tmp_path, source, *options).stdout
    (tmp_path / "first" / "value.h").write_text("#define VALUE ushort")
    assert "ushort   " in compile_source(tmp_path, source, *options).stdout


@pytest.mark.parametrize("damage", ["truncated", "emptied", "one_bit", "foreign", "exchanged"])
def test_a_damaged_file_is_compiled_again(damage, cache, tmp_path):
    expected = compile_source(tmp_path, KERNEL).stdout
    stored = files(cache)
    paths = sorted(stored)
    for path, other in zip(paths, paths[1:] + paths[:1]):
        data = stored[path]
        path.write_bytes(
            {
                "truncated": data[: len(data) // 2],
                "emptied": b"",
                "one_bit": data[:-1] + bytes([data[-1] ^ 1]),
                "foreign": b"#!/bin/sh\n" * 100,
                "exchanged": stored[other],
            }[damage]
        )
    again = compile_source(tmp_path, KERNEL)
    assert (again.returncode, again.stdout, again.stderr) == (0, expected, "")
    assert files(cache) == stored


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")  # no folder can be made under a file, not even by root
    result = compile_source(tmp_path, KERNEL, TORCH_METAL_CACHE_DIR=blocked / "cache")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_full_disk_is_no_error(cache, tmp_path):
    """A limit on file sizes fails writes as a full disk does."""
    (tmp_path / "k.metal").write_text(KERNEL)
    command = ["sh", "-c", f'trap "" XFSZ; ulimit -f 1; exec {MSLC} {tmp_path / "k.metal"}']
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
    assert not any(path.suffix == ".tmp" for path in files(cache))


def test_processes_that_store_at_once_leave_whole_files(cache, tmp_path):
    (tmp_path / "k.metal").write_text(KERNEL)
    running = [subprocess.Popen([MSLC, tmp_path / "k.metal"], stdout=subprocess.PIPE) for _ in range(4)]
    outputs = {process.communicate(timeout=120)[0] for process in running}
    assert len(outputs) == 1
    assert not any(path.suffix == ".tmp" for path in files(cache))
    stored = files(cache)
    compile_source(tmp_path, KERNEL)
    assert files(cache) == stored


@pytest.mark.parametrize("stored", [1, 2, 3])
def test_a_process_that_is_killed_leaves_a_usable_cache(stored, cache, tmp_path, monkeypatch):
    """Killed while it writes its first, second or third file: the precompiled library, the translation, the code."""
    (tmp_path / "k.metal").write_text(KERNEL)
    process = subprocess.Popen([MSLC, tmp_path / "k.metal"], stdout=subprocess.PIPE)
    while process.poll() is None and sum(path.is_file() for path in cache.rglob("*")) < stored:
        pass
    process.kill()
    process.communicate(timeout=120)
    after = compile_source(tmp_path, KERNEL)
    monkeypatch.setenv("TORCH_METAL_CACHE_DIR", str(tmp_path / "untouched"))
    assert after.returncode == 0
    assert after.stdout == compile_source(tmp_path, KERNEL).stdout


def test_size_stays_below_the_limit_at_the_cost_of_the_oldest(cache, tmp_path):
    compile_source(tmp_path, KERNEL)
    header = max(files(cache), key=lambda path: path.stat().st_size)  # the precompiled standard library
    size = sum(len(data) for data in files(cache).values())
    limit = size + size // 2
    old = cache / "mslc" / "00" / "old"
    old.parent.mkdir(exist_ok=True)
    old.write_bytes(b"x" * (limit - size))
    os.utime(old, (0, 0))
    compile_source(tmp_path, KERNEL + "// more\n", TORCH_METAL_CACHE_SIZE=limit)
    assert not old.exists()
    assert header.exists()
    assert sum(len(data) for data in files(cache).values()) <= limit


def test_a_limit_of_zero_stores_nothing(cache, tmp_path):
    assert compile_source(tmp_path, KERNEL, TORCH_METAL_CACHE_SIZE=0).returncode == 0
    assert files(cache) == {}


def test_clearing_removes_what_mslc_stored_and_nothing_else(cache, tmp_path):
    compile_source(tmp_path, KERNEL)
    size = sum(len(data) for data in files(cache).values())
    other = cache / "other.txt"
    other.write_text("keep")
    result = mslc("--clear-cache")
    assert result.stdout == f"{size} bytes removed from {cache}\n"
    assert list(files(cache)) == [other]


def test_the_folder_follows_the_environment(tmp_path):
    home = {"TORCH_METAL_CACHE_DIR": None, "XDG_CACHE_HOME": None, "HOME": tmp_path}
    assert str(tmp_path / ".cache" / "torch_metal") in mslc("--clear-cache", **home).stdout
    assert str(tmp_path / "xdg" / "torch_metal") in mslc("--clear-cache", **{**home, "XDG_CACHE_HOME": tmp_path / "xdg"}).stdout
