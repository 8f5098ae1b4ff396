// Products with quantised weights, which are widened as they are read, and of int8 matrices.
#include <metal_stdlib>

#include "gemm_tile.h"
#include "quantized_matmul_params.h"

using namespace metal;
using namespace torch_metal;

// Weights have `at`, for tiles: 32 of them along k from `block`, a multiple of 32, on, one a lane; `dot`, a lane's part
// of the product with a row; and `scaled`, which finishes a sum.

/// int8 weights with a scale for each row, which multiplies the finished sum.
template <class T>
struct Int8Weights {
  device const char* values;
  device const T* scales;
  constant QuantizedMatmulParams& p;

  float at(uint n, uint block, uint lane) const { return values[size_t(n) * p.k + block + lane]; }
  float dot(device const T* a, uint n, uint lane) const {
    float sum = 0;
    for (uint k = lane; k < p.k; k += kSimdWidth) sum += float(a[k]) * values[size_t(n) * p.k + k];
    return sum;
  }
  float scaled(uint n, float sum) const { return sum * float(scales[n]); }
};

/// Two 4-bit weights a byte, the first in its upper half: (q - 8) * scale + zero, with scales and zeros as
/// [group, n, 2].
template <class T>
struct Int4Weights {
  device const uchar* values;
  device const T* scales_and_zeros;
  constant QuantizedMatmulParams& p;

  /// Scale and zero of the weights (n, k).
  float2 affine(uint n, uint k) const {
    device const T* const s = scales_and_zeros + 2 * (size_t(k >> p.group_shift) * p.n + n);
    return float2(float(s[0]), float(s[1]));
  }
  float at(uint n, uint block, uint lane) const {
    const uint pair = values[(size_t(n) * p.k + block) / 2 + lane / 2], q = pair >> (lane % 2 == 0 ? 4 : 0) & 15;
    const float2 s = affine(n, block);
    return (float(q) - 8) * s.x + s.y;
  }
  /// What a lane's byte of weights, of those from `block` on, adds to a product.
  float pair_product(device const T* a, uint n, uint block, uint lane, float2 s) const {
    const uint pair = (values + (size_t(n) * p.k + block) / 2)[lane];
    const float left = float((a + block)[2 * lane]), right = float((a + block)[2 * lane + 1]);
    return s.x * (left * (float(pair >> 4) - 8) + right * (float(pair & 15) - 8)) + s.y * (left + right);
  }
  /// A byte a lane: 64 weights at once, in one or two groups. Rows are multiples of 32.
  float dot(device const T* a, uint n, uint lane) const {
    float sum = 0;
    uint block = 0;
    for (; block + 2 * kSimdWidth <= p.k; block += 2 * kSimdWidth) {
      const float2 first = affine(n, block), second = affine(n, block + kSimdWidth);
      sum += pair_product(a, n, block, lane, lane < kSimdWidth / 2 ? first : second);
    }
    if (block + 2 * lane < p.k) sum += pair_product(a, n, block, lane, affine(n, block));
    return sum;
  }
  float scaled(uint, float sum) const { return sum; }
};

/// Weights as the right operand: tiles go column by column, lanes along k.
template <class Weights>
struct WeightSource {
  thread const Weights& weights;

  bool transposed() const { return true; }
  template <uint rows, uint columns, uint simdgroups>
  void load(threadgroup float* tile, uint row, uint column, uint simdgroup, uint lane) const {
    static_assert(rows == kSimdWidth, "a lane for each row");
    for (uint c = simdgroup; c < columns; c += simdgroups) {
      const bool inside = column + c < weights.p.n && row + lane < weights.p.k;
      tile[c * rows + lane] = inside ? weights.at(column + c, row, lane) : 0.0f;
    }
  }
};

template <class T, class Weights>
struct QuantizedSink {
  device T* out;
  thread const Weights& weights;
  uint column;

  void write(uint row, float value) const {
    if (row < weights.p.m && column < weights.p.n) out[size_t(row) * weights.p.n + column] = T(weights.scaled(column, value));
  }
};

template <class T, class Weights, class Q>
[[kernel]] void quantized_gemm(device T* out [[buffer(0)]], device const T* a [[buffer(1)]],
                               device const Q* values [[buffer(2)]], device const T* scales [[buffer(3)]],
                               constant QuantizedMatmulParams& p [[buffer(4)]],
                               uint3 group [[threadgroup_position_in_grid]],
                               uint simdgroup [[simdgroup_index_in_threadgroup]],
                               uint lane [[thread_index_in_simdgroup]]) {
  using Tile = MatrixTile<float, 32, 32>;
  threadgroup Tile::Memory memory;
  const Weights weights{values, scales, p};
  const StridedSource<T> source_a{a, long(p.k), 1, p.m, p.k};
  const WeightSource<Weights> source_b{weights};
  const TilePosition at{group.y * Tile::kRows, group.x * Tile::kColumns, p.m, p.n, simdgroup, lane};
  Tile tile;
  tile.multiply(source_a, source_b, memory, at, 0, p.k);
  tile.store([&](uint column) { return QuantizedSink<T, Weights>{out, weights, column}; }, memory, at);
}

/// For few rows of a: one SIMD-group an element, lanes along k.
template <class T, class Weights, class Q>
[[kernel]] void quantized_gemv(device T* out [[buffer(0)]], device const T* a [[buffer(1)]],
                               device const Q* values [[buffer(2)]], device const T* scales [[buffer(3)]],
                               constant QuantizedMatmulParams& p [[buffer(4)]],
                               uint2 group [[threadgroup_position_in_grid]],
                               uint lane [[thread_index_in_simdgroup]]) {
  const Weights weights{values, scales, p};
  const float sum = simd_sum(weights.dot(a + size_t(group.y) * p.k, group.x, lane));
  if (lane == 0) out[size_t(group.y) * p.n + group.x] = T(weights.scaled(group.x, sum));
}

/// int8 times int8, exact in int32: one SIMD-group for 4 x 4 elements, lanes along k. b is transposed, [n, k].
[[kernel]] void int8_product(device int* out [[buffer(0)]], device const char* a [[buffer(1)]],
                             device const char* b [[buffer(2)]], constant QuantizedMatmulParams& p [[buffer(3)]],
                             uint2 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint kSide = 4;
  const uint row = group.y * kSide, column = group.x * kSide;
  int sums[kSide][kSide] = {};
  for (uint k = lane; k < p.k; k += kSimdWidth) {
    int left[kSide], right[kSide];
    for (uint i = 0; i < kSide; ++i) {  // the last row and column stand in for those outside
      left[i] = a[size_t(min(row + i, p.m - 1)) * p.k + k];
      right[i] = b[size_t(min(column + i, p.n - 1)) * p.k + k];
    }
    for (uint i = 0; i < kSide; ++i)
      for (uint j = 0; j < kSide; ++j) sums[i][j] += left[i] * right[j];
  }
  for (uint i = 0; i < kSide; ++i) {
    for (uint j = 0; j < kSide; ++j) {
      const int sum = simd_sum(sums[i][j]);
      if (lane == 0 && row + i < p.m && column + j < p.n) out[size_t(row + i) * p.n + column + j] = sum;
    }
  }
}
