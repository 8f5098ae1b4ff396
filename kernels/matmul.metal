// Matrix multiplication: tiles of 8x8 matrices for floats, one reduction a row where an operand is a vector, one thread
// a row where there are few columns, one thread an element for integers and complex numbers.
#include <c10/metal/utils.h>
#include <metal_stdlib>

#include "divisor.h"
#include "gemm_tile.h"
#include "matmul_params.h"

using namespace metal;
using namespace torch_metal;

/// Element (row, column) of one matrix of a batch.
static long offset_of(constant MatrixLayout& layout, uint row, uint column, uint batch) {
  return row * layout.row + column * layout.column + batch * layout.batch;
}

/// Writes alpha * value + beta * self to one column. `adjacent`: columns of both are next to each other in memory.
template <class T, bool adjacent>
struct ScaledSink {
  device T* out;
  device const T* self;
  constant MatmulParams<float>& params;
  uint column;
  uint batch;

  void write(uint row, float value) const {
    if (row >= params.m || column >= params.n) return;
    float result = params.alpha * value;
    if (params.beta != 0) result += params.beta * float(self[offset(params.self, row)]);
    out[offset(params.out, row)] = T(result);
  }

 private:
  long offset(constant MatrixLayout& layout, uint row) const {
    return row * layout.row + batch * layout.batch + (adjacent ? long(column) : column * layout.column);
  }
};

template <class T, class Tile>
[[kernel]] void gemm(device T* out [[buffer(0)]], device const T* a [[buffer(1)]], device const T* b [[buffer(2)]],
                     device const T* self [[buffer(3)]], constant MatmulParams<float>& params [[buffer(4)]],
                     uint3 group [[threadgroup_position_in_grid]], uint simdgroup [[simdgroup_index_in_threadgroup]],
                     uint lane [[thread_index_in_simdgroup]]) {
  threadgroup typename Tile::Memory memory;
  const StridedSource<T> source_a{a + group.z * params.a.batch, params.a.row, params.a.column, params.m, params.k};
  const StridedSource<T> source_b{b + group.z * params.b.batch, params.b.row, params.b.column, params.k, params.n};
  const TilePosition at{group.y * Tile::kRows, group.x * Tile::kColumns, params.m, params.n, simdgroup, lane};
  Tile tile;
  tile.multiply(source_a, source_b, memory, at, 0, params.k);
  if (params.out.column == 1 && params.self.column == 1) {
    tile.store([&](uint column) { return ScaledSink<T, true>{out, self, params, column, group.z}; }, memory, at);
  } else {
    tile.store([&](uint column) { return ScaledSink<T, false>{out, self, params, column, group.z}; }, memory, at);
  }
}

/// Matrix by vector, one threadgroup a row of a: lanes run along the row.
template <class T>
[[kernel]] void gemv(device T* out [[buffer(0)]], device const T* a [[buffer(1)]], device const T* b [[buffer(2)]],
                     device const T* self [[buffer(3)]], constant MatmulParams<float>& params [[buffer(4)]],
                     uint3 group [[threadgroup_position_in_grid]], uint3 position [[thread_position_in_threadgroup]],
                     uint3 threads [[threads_per_threadgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
                     uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float partial[kSimdWidth];
  device const T* row = a + offset_of(params.a, group.y, 0, group.z);
  device const T* vector = b + group.z * params.b.batch;
  float sum = 0;
  if (params.a.column == 1 && params.b.row == 1) {
    for (uint k = position.x; k < params.k; k += threads.x) sum += float(row[k]) * float(vector[k]);
  } else {
    for (uint k = position.x; k < params.k; k += threads.x) {
      sum += float(row[k * params.a.column]) * float(vector[k * params.b.row]);
    }
  }
  sum = simd_sum(sum);
  if (lane == 0) partial[simdgroup] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (simdgroup == 0) {
    sum = simd_sum(lane < threads.x / kSimdWidth ? partial[lane] : 0.0f);
    if (lane == 0) ScaledSink<T, false>{out, self, params, 0, group.z}.write(group.y, sum);
  }
}

/// Matrix by vector where both are dense and rows are many and not long: a SIMD-group computes kGemvRows rows, which
/// share what it reads of the vector. Threadgroups are one SIMD-group.
template <class T>
[[kernel]] void gemv_rows(device T* out [[buffer(0)]], device const T* a [[buffer(1)]], device const T* b [[buffer(2)]],
                          device const T* self [[buffer(3)]], constant MatmulParams<float>& params [[buffer(4)]],
                          uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  const uint first = group.y * kGemvRows;
  device const T* vector = b + group.z * params.b.batch;
  device const T* rows[kGemvRows];
  // Rows past the end are the last one again, and not written.
  for (uint r = 0; r < kGemvRows; ++r) rows[r] = a + offset_of(params.a, min(first + r, params.m - 1), 0, group.z);
  float sums[kGemvRows] = {};
  for (uint k = lane; k < params.k; k += kSimdWidth) {
    const float x = float(vector[k]);
    for (uint r = 0; r < kGemvRows; ++r) sums[r] += float(rows[r][k]) * x;
  }
  float sum = 0;
  for (uint r = 0; r < kGemvRows; ++r) {
    const float row_sum = simd_sum(sums[r]);
    if (lane == r) sum = row_sum;
  }
  if (lane < kGemvRows) ScaledSink<T, false>{out, self, params, 0, group.z}.write(first + lane, sum);
}

/// Matrix by vector where a's columns are contiguous: one thread a row, lanes run along the column.
template <class T>
[[kernel]] void gemv_columns(device T* out [[buffer(0)]], device const T* a [[buffer(1)]],
                             device const T* b [[buffer(2)]], device const T* self [[buffer(3)]],
                             constant MatmulParams<float>& params [[buffer(4)]],
                             uint2 position [[thread_position_in_grid]]) {
  device const T* column = a + position.y * params.a.batch + position.x;
  device const T* vector = b + position.y * params.b.batch;
  float sum = 0;
  for (uint k = 0; k < params.k; ++k) sum += float(column[k * params.a.column]) * float(vector[k * params.b.row]);
  ScaledSink<T, false>{out, self, params, 0, position.y}.write(position.x, sum);
}

/// Few columns and a short sum: one thread a row (x) of each matrix (y), or of all matrices (x) where they have few
/// rows, `rows` each. Columns past the end are the last one again, and not written.
template <class T, int columns, bool has_few_rows>
[[kernel]] void multiply_thin(device T* out [[buffer(0)]], device const T* a [[buffer(1)]],
                              device const T* b [[buffer(2)]], device const T* self [[buffer(3)]],
                              constant MatmulParams<float>& params [[buffer(4)]], constant Divisor& rows [[buffer(5)]],
                              uint2 position [[thread_position_in_grid]]) {
  uint row = position.x, batch = position.y;
  if (has_few_rows) {
    batch = position.x;
    row = rows.split(batch);
  }
  a += offset_of(params.a, row, 0, batch);
  b += batch * params.b.batch;
  float sums[columns] = {};
  for (uint k = 0; k < params.k; ++k) {
    const float x = float(a[k * params.a.column]);
    for (uint c = 0; c < columns; ++c)
      sums[c] += x * float(b[k * params.b.row + min(c, params.n - 1) * params.b.column]);
  }
  for (uint c = 0; c < columns; ++c) ScaledSink<T, false>{out, self, params, c, batch}.write(row, sums[c]);
}

/// Few rows, few columns and long sums: one threadgroup a matrix, whose threads take the terms in turn. Rows and
/// columns past the end are the last one again, and not written.
template <class T, int size>
[[kernel]] void multiply_long(device T* out [[buffer(0)]], device const T* a [[buffer(1)]],
                              device const T* b [[buffer(2)]], device const T* self [[buffer(3)]],
                              constant MatmulParams<float>& params [[buffer(4)]],
                              uint batch [[threadgroup_position_in_grid]],
                              uint thread_index [[thread_index_in_threadgroup]],
                              uint simdgroup [[simdgroup_index_in_threadgroup]],
                              uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint simdgroups = kLongThreads / kSimdWidth;
  threadgroup float partial[simdgroups][size * size];
  float sums[size * size] = {};
  for (uint k = thread_index; k < params.k; k += kLongThreads) {
    float x[size], y[size];
    for (uint i = 0; i < size; ++i) x[i] = float(a[offset_of(params.a, min(i, params.m - 1), k, batch)]);
    for (uint i = 0; i < size; ++i) y[i] = float(b[offset_of(params.b, k, min(i, params.n - 1), batch)]);
    for (uint i = 0; i < size * size; ++i) sums[i] += x[i / size] * y[i % size];
  }
  for (uint i = 0; i < size * size; ++i) {
    const float sum = simd_sum(sums[i]);
    if (lane == 0) partial[simdgroup][i] = sum;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index >= size * size) return;
  float sum = 0;
  for (uint s = 0; s < simdgroups; ++s) sum += partial[s][thread_index];
  ScaledSink<T, false>{out, self, params, thread_index % size, batch}.write(thread_index / size, sum);
}

static bool is_zero(long x) { return x == 0; }
static bool is_zero(float2 x) { return x.x == 0 && x.y == 0; }

/// One thread an element, computed in Scalar: integers wrap as they do on the CPU.
template <class T, class Scalar>
[[kernel]] void matmul_each(device T* out [[buffer(0)]], device const T* a [[buffer(1)]],
                            device const T* b [[buffer(2)]], device const T* self [[buffer(3)]],
                            constant MatmulParams<Scalar>& params [[buffer(4)]],
                            uint3 position [[thread_position_in_grid]]) {
  using c10::metal::mul;
  const uint row = position.y, column = position.x, batch = position.z;
  Scalar sum(0);
  for (uint k = 0; k < params.k; ++k) {
    sum += mul(Scalar(a[offset_of(params.a, row, k, batch)]), Scalar(b[offset_of(params.b, k, column, batch)]));
  }
  Scalar result = mul(params.alpha, sum);
  if (!is_zero(params.beta)) {
    result += mul(params.beta, Scalar(self[offset_of(params.self, row, column, batch)]));
  }
  out[offset_of(params.out, row, column, batch)] = T(result);
}
