// Kernels as they are often written. The matrix products, c = a b, are of squares whose sides are multiples of the tile.
#include <metal_simdgroup_matrix>
#include <metal_stdlib>

using namespace metal;

/// Tiles of 64x64 through threadgroup memory; each of 256 threads computes 4x4 elements, 16 apart.
kernel void gemm_tiled(device float* c [[buffer(0)]], device const float* a [[buffer(1)]],
                       device const float* b [[buffer(2)]], constant uint& n [[buffer(3)]],
                       uint2 group [[threadgroup_position_in_grid]],
                       uint thread_index [[thread_index_in_threadgroup]]) {
  constexpr uint kTile = 64, kDepth = 16, kThreads = 256, kStep = 16;
  threadgroup float tile_a[kDepth][kTile], tile_b[kDepth][kTile];
  const uint row = group.y * kTile, column = group.x * kTile;
  const uint2 position(thread_index % kStep, thread_index / kStep);
  float sum[4][4] = {};
  for (uint k = 0; k < n; k += kDepth) {
    for (uint i = thread_index; i < kTile * kDepth; i += kThreads) {
      tile_a[i % kDepth][i / kDepth] = a[(row + i / kDepth) * n + k + i % kDepth];
      tile_b[i / kTile][i % kTile] = b[(k + i / kTile) * n + column + i % kTile];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint inner = 0; inner < kDepth; ++inner) {
      float left[4], right[4];
      for (uint i = 0; i < 4; ++i) {
        left[i] = tile_a[inner][position.y + i * kStep];
        right[i] = tile_b[inner][position.x + i * kStep];
      }
      for (uint i = 0; i < 4; ++i)
        for (uint j = 0; j < 4; ++j) sum[i][j] = fma(left[i], right[j], sum[i][j]);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (uint i = 0; i < 4; ++i)
    for (uint j = 0; j < 4; ++j)
      c[(row + position.y + i * kStep) * n + column + position.x + j * kStep] = sum[i][j];
}

/// One SIMD-group computes 32x32 elements as 4x4 matrices, straight from device memory.
template <class T>
kernel void gemm_simdgroup(device T* c [[buffer(0)]], device const T* a [[buffer(1)]], device const T* b [[buffer(2)]],
                           constant uint& n [[buffer(3)]], uint2 group [[threadgroup_position_in_grid]]) {
  constexpr uint kSide = 8, kBlock = 4;
  const uint row = group.y * kSide * kBlock, column = group.x * kSide * kBlock;
  simdgroup_float8x8 sum[kBlock][kBlock];
  for (uint i = 0; i < kBlock; ++i)
    for (uint j = 0; j < kBlock; ++j) sum[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  for (uint k = 0; k < n; k += kSide) {
    simdgroup_matrix<T, 8, 8> left[kBlock], right[kBlock];
    for (uint i = 0; i < kBlock; ++i) {
      simdgroup_load(left[i], a + (row + i * kSide) * n + k, n);
      simdgroup_load(right[i], b + k * n + column + i * kSide, n);
    }
    for (uint i = 0; i < kBlock; ++i)
      for (uint j = 0; j < kBlock; ++j) simdgroup_multiply_accumulate(sum[i][j], left[i], right[j], sum[i][j]);
  }
  for (uint i = 0; i < kBlock; ++i)
    for (uint j = 0; j < kBlock; ++j) {
      simdgroup_matrix<T, 8, 8> result;
      result.thread_elements() = vec<T, 2>(sum[i][j].thread_elements());
      simdgroup_store(result, c + (row + i * kSide) * n + column + j * kSide, n);
    }
}
template [[host_name("gemm_simdgroup_f32")]] kernel void gemm_simdgroup<float>(device float*, device const float*,
                                                                              device const float*, constant uint&,
                                                                              uint2);
template [[host_name("gemm_simdgroup_bf16")]] kernel void gemm_simdgroup<bfloat>(device bfloat*, device const bfloat*,
                                                                                device const bfloat*, constant uint&,
                                                                                uint2);

/// Adds rows of `size` elements to the rows that the indices choose.
kernel void scatter_rows(device atomic_float* out [[buffer(0)]], device const long* indices [[buffer(1)]],
                         device const float* source [[buffer(2)]], constant uint& size [[buffer(3)]],
                         uint2 position [[thread_position_in_grid]]) {
  const uint row = uint(indices[position.y]);
  atomic_fetch_add_explicit(out + row * size + position.x, source[position.y * size + position.x], memory_order_relaxed);
}
