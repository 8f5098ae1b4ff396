"""Vectors and structs in memory: lanes' elements alternate there, and are moved together."""

import numpy as np
import pytest

from .library import DEFAULT_TARGET, Library, Target, other_cpus

TYPES = {"uchar": np.uint8, "ushort": np.uint16, "uint": np.uint32, "ulong": np.uint64, "half": np.float16, "float": np.float32}
TARGETS = [None, *other_cpus()]


def numbers(count: int, dtype) -> np.ndarray:
    return (np.arange(count) % 251).astype(dtype)


def library(source: str, target: str | None) -> Library:
    return Library("#include <metal_stdlib>\nusing namespace metal;\n" + source, target=Target.named(target) if target else DEFAULT_TARGET)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("width", (2, 3, 4))
def test_vectors_come_and_go_whole(type_name, width, target):
    """Elements change places, so that none may stay where it was; a grid that ends within a SIMD-group writes no more."""
    kernel = f"""kernel void turn(device {type_name}{width}* out, device const {type_name}{width}* in,
                                  uint i [[thread_position_in_grid]]) {{
        const auto v = in[i];
        out[i] = {type_name}{width}({", ".join(f"v[{(k + 1) % width}]" for k in range(width))});
    }}"""
    slots = 4 if width == 3 else width  # a vector of three takes the room of four
    code = library(kernel, target).kernel("turn")
    for threads in (64, 50, 32, 7):
        x = numbers(64 * slots, TYPES[type_name]).reshape(64, slots)
        out = np.full_like(x, 99)
        code([out, x], [threads], [32])
        expected = np.full_like(x, 99)
        expected[:threads, :width] = np.roll(x[:threads, :width], -1, axis=1)
        assert np.array_equal(out[:, :width], expected[:, :width])
        assert (out[threads:] == 99).all()


@pytest.mark.parametrize("target", TARGETS)
def test_what_lies_between_the_elements_stored_stays(target):
    kernel = """struct Record { uint first, second, third, fourth; };
    kernel void some(device Record* r, uint i [[thread_position_in_grid]]) { r[i].first = i; r[i].third = i * i; }
    kernel void one(device Record* r, uint i [[thread_position_in_grid]]) { r[i].second = i; }
    kernel void last(device Record* r, device uint* out, uint i [[thread_position_in_grid]]) { out[i] = r[i].fourth; }"""
    i = np.arange(64, dtype=np.uint32)
    records = np.full((64, 4), 7, np.uint32)
    code = library(kernel, target)
    code.kernel("some")([records], [64], [64])
    assert np.array_equal(records, np.stack([i, 0 * i + 7, i * i, 0 * i + 7], axis=1))
    code.kernel("one")([records], [64], [64])
    assert np.array_equal(records[:, 1], i)
    out = np.zeros(64, np.uint32)
    code.kernel("last")([records, out], [64], [64])
    assert (out == 7).all()


@pytest.mark.parametrize("target", TARGETS)
def test_accesses_keep_their_order(target):
    """Neither a load nor a store passes a store that may be to its place."""
    kernel = """kernel void k(device float2* x, constant uint& zero, uint i [[thread_position_in_grid]]) {
        device float2* y = x + zero;
        y[i].x = x[i].x + 1;
        y[i].y = x[i].x + x[i].y;
        x[i].x = 5;
        y[i].x = y[i].x * 2;
    }"""
    x = np.stack([np.arange(64), np.arange(64) + 0.5], axis=1).astype(np.float32)
    data = x.copy()
    library(kernel, target).kernel("k")([data, np.zeros(1, np.uint32)], [64], [32])
    assert np.array_equal(data, np.stack([np.full(64, 10), x[:, 0] + 1 + x[:, 1]], axis=1))


@pytest.mark.parametrize("target", TARGETS)
def test_an_index_that_might_wrap_finds_its_vector(target):
    kernel = """kernel void k(device float4* out, device const float4* in, constant uint& start, uint i [[thread_position_in_grid]]) {
        out[i] = in[start + i - 64u];
    }"""
    x = numbers(64 * 4, np.float32).reshape(64, 4)
    out = np.zeros((32, 4), np.float32)
    for start in (64, 71):
        library(kernel, target).kernel("k")([out, x, np.full(1, start, np.uint32)], [32], [32])
        assert np.array_equal(out, x[start - 64 : start - 32])
