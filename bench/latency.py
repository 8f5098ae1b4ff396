"""Times that are not ratios: launching a tiny kernel, compiling a typical one."""

import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch_metal
from bench.measure import median_seconds

TINY_KERNEL = Path(__file__).parents[1] / "build" / "bench" / "bench_tiny_kernel"
COMPILE_SAMPLES = 15

# A reduction over rows, as a program would bring its own: templates, a loop, SIMD functions, threadgroup memory.
TYPICAL_KERNEL = """
#include <metal_stdlib>
using namespace metal;

template <class T>
kernel void {name}(device const T* x [[buffer(0)]], device T* out [[buffer(1)]], constant uint& size [[buffer(2)]],
                   uint row [[threadgroup_position_in_grid]], uint thread_index [[thread_index_in_threadgroup]],
                   uint threads [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                   uint simdgroup [[simdgroup_index_in_threadgroup]], uint simdgroups [[simdgroups_per_threadgroup]]) {{
  threadgroup float partial[32];
  x += row * size;
  out += row * size;
  float sum = 0;
  for (uint i = thread_index; i < size; i += threads) sum += float(x[i]) * float(x[i]);
  sum = simd_sum(sum);
  if (lane == 0) partial[simdgroup] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  sum = simd_sum(lane < simdgroups ? partial[lane] : 0.0f);
  const float scale = rsqrt(sum / float(size) + 1e-5f);
  for (uint i = thread_index; i < size; i += threads) out[i] = T(float(x[i]) * scale);
}}
template [[host_name("{name}_float")]] kernel void {name}<float>(device const float*, device float*, constant uint&,
                                                                 uint, uint, uint, uint, uint, uint);
"""


@dataclass(frozen=True)
class Latency:
    """A time in microseconds, and what is wanted."""

    name: str
    microseconds: float
    target: float


@contextmanager
def _empty_cache() -> Iterator[None]:
    """Compiled kernels go to a folder of their own, which is empty but for what is stored meanwhile."""
    before = os.environ.get("TORCH_METAL_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCH_METAL_CACHE_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["TORCH_METAL_CACHE_DIR"]
            if before is not None:
                os.environ["TORCH_METAL_CACHE_DIR"] = before


def _compile(number: int) -> None:
    name = f"typical_{number}"  # another name is another kernel
    getattr(torch_metal.compile_shader(TYPICAL_KERNEL.format(name=name)), f"{name}_float")


def compile_latencies() -> list[Latency]:
    """A kernel that was never seen, and one that the disk cache has. The standard library is precompiled before."""
    with _empty_cache():
        _compile(COMPILE_SAMPLES)
        numbers = itertools.count()
        cold = median_seconds(lambda: _compile(next(numbers)), COMPILE_SAMPLES)
        numbers = itertools.count()
        cached = median_seconds(lambda: _compile(next(numbers)), COMPILE_SAMPLES)
    return [
        Latency("compile, cold", 1e6 * cold, 80_000),
        Latency("compile, from disk cache", 1e6 * cached, 1_000),
    ]


def launch_latencies() -> list[Latency]:
    """A kernel of 32 threads, from encoding to completion, with the Metal API alone."""
    times = json.loads(subprocess.run([TINY_KERNEL], check=True, capture_output=True, text=True).stdout)
    return [
        Latency("tiny kernel, pipelined", times["pipelined_us"], 2),
        Latency("tiny kernel, waiting", times["waiting_us"], 10),
    ]
