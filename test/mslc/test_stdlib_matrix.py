"""Matrices: those of one thread, and those spread over a SIMD-group."""

import numpy as np
import pytest

from .elementwise import NUMPY_TYPES, PRELUDE
from .library import Library

MATRIX_KERNEL = """
kernel void products(device float* out, device const float* in) {
  const float3x2 a(in[0], in[1], in[2], in[3], in[4], in[5]);
  const float2x3 b(float3(in[6], in[7], in[8]), float3(in[9], in[10], in[11]));
  const float2x2 ab = a * b;
  const float2 av = a * float3(1, 2, 3);
  const float3 va = float2(1, 2) * a;
  const float3x3 sum = transpose(a) * transpose(b) * 2 + float3x3(10);
  const float4x4 c(float4(in[0], in[1], in[2], in[3]), float4(in[4], in[5], in[6], in[7]),
                   float4(in[8], in[9], in[10], in[11]), float4(in[12], in[13], in[14], in[15]));
  for (int i = 0; i < 4; ++i) out[i] = ab[i / 2][i % 2];
  for (int i = 0; i < 2; ++i) out[4 + i] = av[i];
  for (int i = 0; i < 3; ++i) out[6 + i] = va[i];
  for (int i = 0; i < 9; ++i) out[9 + i] = sum[i / 3][i % 3];
  out[18] = determinant(c);
  out[19] = determinant(ab);
  out[20] = determinant(sum);
}
"""

# Loads, multiplies, transposes: out = scale * (a b) + c, blocks of matrices of 16 columns.
SIMDGROUP_KERNEL = """
template <typename D, typename T>
kernel void multiply(device D* out, device const T* a, device const T* b, device const D* c) {
  threadgroup T shared[64];
  simdgroup_matrix<T, 8, 8> left, right;
  simdgroup_matrix<D, 8, 8> product, addend;
  simdgroup_load(left, a, 16, ulong2(8, 1));
  simdgroup_load(right, b, 16, 0, true);
  simdgroup_store(right, shared, 8);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_load(right, shared, 8);
  simdgroup_load(addend, c, 8);
  simdgroup_multiply_accumulate(product, left, right, addend);
  simdgroup_store(product, out, 8);
  simdgroup_store(product, out + 64, 8, 0, true);
}
template [[host_name("multiply_float")]] kernel void multiply<float, float>(device float*, device const float*,
                                                                           device const float*, device const float*);
template [[host_name("multiply_half")]] kernel void multiply<half, half>(device half*, device const half*,
                                                                        device const half*, device const half*);
template [[host_name("multiply_mixed")]] kernel void multiply<float, half>(device float*, device const half*,
                                                                          device const half*, device const float*);

kernel void made(device float* out) {
  simdgroup_store(make_filled_simdgroup_matrix<float, 8, 8>(3.0f), out, 8);
  simdgroup_store(make_diagonal_simdgroup_matrix<float, 8, 8>(4.0f), out + 64, 8);
  simdgroup_float8x8 numbered, product;
  numbered.thread_elements() = float2(1, 2);
  simdgroup_multiply(product, numbered, simdgroup_float8x8(2.0f));
  simdgroup_store(product, out + 128, 8);
  simdgroup_store(numbered * simdgroup_float8x8(1.0f), out + 192, 8);
}
"""


@pytest.fixture(scope="module")
def library():
    return Library(PRELUDE + MATRIX_KERNEL + SIMDGROUP_KERNEL)


def test_matrices(library):
    x = np.random.default_rng(0).standard_normal(16).astype(np.float32)
    out = np.zeros(21, np.float32)
    library.kernel("products")([out, x], (1,), (1,))
    a, b, c = x[:6].reshape(3, 2).T, x[6:12].reshape(2, 3).T, x.reshape(4, 4).T  # stored by columns
    ab, total = a @ b, 2 * (a.T @ b.T) + 10 * np.eye(3)
    expected = [*ab.T.flat, *(a @ [1, 2, 3]), *(np.array([1, 2]) @ a), *total.T.flat]
    expected += [np.linalg.det(c), np.linalg.det(ab), np.linalg.det(total)]
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, out_type, type_", [("float", "float", "float"), ("half", "half", "half"),
                                                   ("mixed", "float", "half")])  # fmt: skip
def test_simdgroup_matrices(name, out_type, type_, library):
    random = np.random.default_rng(1)
    a, b = random.integers(-4, 5, (2, 16, 16)).astype(NUMPY_TYPES[type_])  # integers: exact
    c = random.integers(-4, 5, (8, 8)).astype(NUMPY_TYPES[out_type])
    out = np.zeros((2, 8, 8), NUMPY_TYPES[out_type])
    library.kernel(f"multiply_{name}")([out, a, b, c], (32,), (32,))
    expected = a[1:9, 8:].astype(np.float64) @ b[:8, :8].T + c
    np.testing.assert_array_equal(out[0], expected)
    np.testing.assert_array_equal(out[1], expected.T)


def test_made_simdgroup_matrices(library):
    out = np.zeros((4, 8, 8), np.float32)
    library.kernel("made")([out], (32,), (32,))
    np.testing.assert_array_equal(out[0], np.full((8, 8), 3))
    np.testing.assert_array_equal(out[1], 4 * np.eye(8))
    numbered = np.tile([1, 2], (8, 4))
    np.testing.assert_array_equal(out[2:], [2 * numbered, numbered])
