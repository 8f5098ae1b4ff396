"""A kernel that keeps the device busy while the host goes on."""

import functools

import torch_metal

SOURCE = """
#include <metal_stdlib>
using namespace metal;
// A long dependent chain that nothing shortens; ends at 2.
kernel void slow(device float* x [[buffer(0)]], constant uint& steps [[buffer(1)]],
                 uint i [[thread_position_in_grid]]) {
  float v = x[i];
  const uint count = steps;  // read once, whatever the compiler makes of it
  for (uint s = 0; s < count; s++) v = fma(v, 0.5f, 1.0f);
  x[i] = v;
}
"""


@functools.cache
def _kernel():
    return torch_metal.compile_shader(SOURCE).slow


def run_slowly(x, steps=50_000_000):
    """Starts the kernel on `x`, float32: every element becomes 2, some tenths of a second later."""
    _kernel()(x, steps)
