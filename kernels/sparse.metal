// Sparse tensors: places of entries, sums and softmax over runs of entries that belong together, products of matrices
// in compressed rows with dense ones.
#include <c10/metal/utils.h>
#include <metal_stdlib>

#include "accumulators.h"
#include "sparse_params.h"

using namespace metal;
using namespace torch_metal;
using c10::metal::mul;

/// Where each entry is among all places of the sparse dimensions, in row-major order.
template <class I>
[[kernel]] void flatten_indices(device long* out [[buffer(0)]], device const I* indices [[buffer(1)]],
                                constant FlattenParams& p [[buffer(2)]], uint entry [[thread_position_in_grid]]) {
  long place = 0;
  for (uint d = 0; d < p.dims; ++d) place += indices[d * p.dim_stride + entry * p.entry_stride] * p.place[d];
  out[entry] = place;
}

/// The entries [starts[run], starts[run + 1]) of an order of all entries; `starts` has an end.
struct Run {
  long begin, end;
  Run(device const long* starts, uint run) : begin(starts[run]), end(starts[run + 1]) {}
};

struct sum_op {
  template <class V>
  static V first() {
    return V(0);
  }
  template <class V>
  static V apply(V a, V b) {
    return a + b;
  }
};
struct product_op {
  template <class V>
  static V first() {
    if constexpr (is_same_v<V, float2>) {
      return float2(1, 0);
    } else {
      return V(1);
    }
  }
  template <class V>
  static V apply(V a, V b) {
    return mul(a, b);
  }
};

/// Rows of values are contiguous. One thread a column (x) of a run (y).
template <class op, class T>
[[kernel]] void reduce_runs(device T* out [[buffer(0)]], device const T* values [[buffer(1)]],
                            device const long* order [[buffer(2)]], device const long* starts [[buffer(3)]],
                            constant RunsParams& p [[buffer(4)]], uint2 id [[thread_position_in_grid]]) {
  using V = typename Sum<T>::type;
  const Run run(starts, id.y);
  V result = op::template first<V>();
  for (long k = run.begin; k < run.end; ++k) {
    result = op::apply(result, V(values[order[k] * p.columns + id.x]));
  }
  out[id.y * long(p.columns) + id.x] = T(result);
}

/// A NaN makes a run's every result NaN, by way of the sum.
template <class T, bool logarithm>
[[kernel]] void softmax_runs(device T* out [[buffer(0)]], device const T* values [[buffer(1)]],
                             device const long* order [[buffer(2)]], device const long* starts [[buffer(3)]],
                             constant RunsParams& p [[buffer(4)]], uint2 id [[thread_position_in_grid]]) {
  const Run run(starts, id.y);
  float largest = -INFINITY, sum = 0;
  for (long k = run.begin; k < run.end; ++k) largest = max(largest, float(values[order[k] * p.columns + id.x]));
  for (long k = run.begin; k < run.end; ++k) {
    sum += precise::exp(float(values[order[k] * p.columns + id.x]) - largest);
  }
  const float shift = logarithm ? largest + precise::log(sum) : largest;
  for (long k = run.begin; k < run.end; ++k) {
    const long at = order[k] * p.columns + id.x;
    const float value = float(values[at]) - shift;
    out[at] = T(logarithm ? value : precise::exp(value) / sum);
  }
}

/// `grad` lies as `values`, the softmax, does.
template <class T, bool logarithm>
[[kernel]] void softmax_runs_backward(device T* out [[buffer(0)]], device const T* grad [[buffer(1)]],
                                      device const T* values [[buffer(2)]], device const long* order [[buffer(3)]],
                                      device const long* starts [[buffer(4)]], constant RunsParams& p [[buffer(5)]],
                                      uint2 id [[thread_position_in_grid]]) {
  const Run run(starts, id.y);
  float sum = 0;
  for (long k = run.begin; k < run.end; ++k) {
    const long at = order[k] * p.columns + id.x;
    sum += logarithm ? float(grad[at]) : float(grad[at]) * float(values[at]);
  }
  for (long k = run.begin; k < run.end; ++k) {
    const long at = order[k] * p.columns + id.x;
    const float g = float(grad[at]), v = float(values[at]);
    out[at] = T(logarithm ? g - precise::exp(v) * sum : v * (g - sum));
  }
}

static bool is_zero(float x) { return x == 0; }
static bool is_zero(long x) { return x == 0; }
static bool is_zero(float2 x) { return x.x == 0 && x.y == 0; }

static long offset_of(constant MatrixLayout& layout, long row, long column, uint batch) {
  return row * layout.row + column * layout.column + batch * layout.batch;
}

template <class T, class Scalar>
static T scaled(Scalar product, device const T* self, long at, Scalar alpha, Scalar beta) {
  Scalar result = mul(alpha, product);
  if (!is_zero(beta)) result += mul(beta, Scalar(self[at]));
  return T(result);
}

/// sum + x * y, rounded once where there is an instruction for it.
static float add_product(float sum, float x, float y) { return fma(x, y, sum); }
template <class Scalar>
static Scalar add_product(Scalar sum, Scalar x, Scalar y) {
  return sum + mul(x, y);
}

/// One row times one column. The distance of columns is a constant where threads are to read side by side.
template <class Scalar, class T, class I>
static Scalar row_times_column(device const I* plain, device const T* values, device const T* dense, long begin,
                               long end, uint column, long column_stride, constant SparseProductParams<Scalar>& p) {
  Scalar sum(0);
  if (p.a.block_rows == 1 && p.a.block_columns == 1) {
    for (long e = begin; e < end; ++e) {
      sum = add_product(sum, Scalar(values[e]), Scalar(dense[long(plain[e]) * p.dense.row + column * column_stride]));
    }
    return sum;
  }
  const long block_size = long(p.a.block_rows) * p.a.block_columns;
  for (long e = begin; e < end; ++e) {
    for (uint j = 0; j < p.a.block_columns; ++j) {
      const long inner = long(plain[e]) * p.a.block_columns + j;
      sum = add_product(sum, Scalar(values[e * block_size + j]),
                        Scalar(dense[inner * p.dense.row + column * column_stride]));
    }
  }
  return sum;
}

/// One thread an element of the result.
template <class T, class I, class Scalar>
[[kernel]] void rows_times_dense(device T* out [[buffer(0)]], device const I* compressed [[buffer(1)]],
                                 device const I* plain [[buffer(2)]], device const T* values [[buffer(3)]],
                                 device const T* dense [[buffer(4)]], device const T* self [[buffer(5)]],
                                 constant SparseProductParams<Scalar>& p [[buffer(6)]],
                                 uint3 id [[thread_position_in_grid]]) {
  const uint column = id.x, row = id.y, batch = id.z;
  const uint block_row = row / p.a.block_rows, row_in_block = row % p.a.block_rows;
  compressed += batch * p.a.compressed_batch + block_row;
  plain += batch * p.a.plain_batch;
  values += batch * p.a.values_batch + row_in_block * p.a.block_columns;
  dense += batch * p.dense.batch;
  const long begin = compressed[0], end = compressed[1];
  const Scalar sum = p.dense.column == 1
                         ? row_times_column<Scalar>(plain, values, dense, begin, end, column, 1, p)
                         : row_times_column<Scalar>(plain, values, dense, begin, end, column, p.dense.column, p);
  const long at = offset_of(p.self, row, column, batch);
  out[offset_of(p.out, row, column, batch)] = scaled(sum, self, at, p.alpha, p.beta);
}

/// Long rows, one column: one SIMD-group a row, lanes run along its entries.
template <class T, class I>
[[kernel]] void rows_times_vector(device T* out [[buffer(0)]], device const I* compressed [[buffer(1)]],
                                  device const I* plain [[buffer(2)]], device const T* values [[buffer(3)]],
                                  device const T* dense [[buffer(4)]], device const T* self [[buffer(5)]],
                                  constant SparseProductParams<float>& p [[buffer(6)]],
                                  uint3 group [[threadgroup_position_in_grid]],
                                  uint lane [[thread_index_in_simdgroup]]) {
  const uint row = group.y, batch = group.z;
  compressed += batch * p.a.compressed_batch + row;
  plain += batch * p.a.plain_batch;
  values += batch * p.a.values_batch;
  dense += batch * p.dense.batch;
  float sum = 0;
  for (long e = long(compressed[0]) + lane; e < long(compressed[1]); e += 32) {
    sum += float(values[e]) * float(dense[long(plain[e]) * p.dense.row]);
  }
  sum = simd_sum(sum);
  if (lane == 0) {
    const long at = offset_of(p.self, row, 0, batch);
    out[offset_of(p.out, row, 0, batch)] = scaled(sum, self, at, p.alpha, p.beta);
  }
}

/// Some entries a SIMD-group, one after the other; lanes run along the inner dimension. What self has counts even if
/// beta is 0, as on the CPU.
template <class T, class I, class Scalar>
[[kernel]] void sampled_product(device T* out [[buffer(0)]], device const I* rows [[buffer(1)]],
                                device const I* columns [[buffer(2)]], device const T* a [[buffer(3)]],
                                device const T* b [[buffer(4)]], device const T* self [[buffer(5)]],
                                constant SampledProductParams<Scalar>& p [[buffer(6)]],
                                uint3 group [[threadgroup_position_in_grid]],
                                uint lane [[thread_index_in_simdgroup]]) {
  const uint begin = group.x * kSampledEntries, end = min(begin + kSampledEntries, p.entries);
  for (uint entry = begin; entry < end; ++entry) {
    const long at = group.y * long(p.entries) + entry;
    device const T* left = a + offset_of(p.a, rows[at], 0, group.y);
    device const T* right = b + offset_of(p.b, 0, columns[at], group.y);
    Scalar sum(0);
    if (p.a.column == 1 && p.b.row == 1) {
      for (uint k = lane; k < p.inner; k += 32) sum = add_product(sum, Scalar(left[k]), Scalar(right[k]));
    } else {
      for (uint k = lane; k < p.inner; k += 32) {
        sum = add_product(sum, Scalar(left[k * p.a.column]), Scalar(right[k * p.b.row]));
      }
    }
    sum = simd_sum(sum);
    if (lane == 0) out[at] = T(mul(p.alpha, sum) + mul(p.beta, Scalar(self[at])));
  }
}

/// A NaN stays, and so does the first of equal ones.
static bool replaces(float value, float best, uint reduction) {
  if (best != best) return false;
  return value != value || (reduction == kSparseMax ? value > best : value < best);
}

/// One thread an element of the result. `chosen` is the entry that a maximum or minimum is of. Rows without entries: 0.
template <class T, class I>
[[kernel]] void reduced_product(device T* out [[buffer(0)]], device I* chosen [[buffer(1)]],
                                device const I* compressed [[buffer(2)]], device const I* plain [[buffer(3)]],
                                device const T* values [[buffer(4)]], device const T* dense [[buffer(5)]],
                                constant ReducedProductParams& p [[buffer(6)]], uint2 id [[thread_position_in_grid]]) {
  const uint column = id.x, row = id.y;
  const long begin = compressed[row], end = compressed[row + 1];
  const bool extremum = p.reduction == kSparseMax || p.reduction == kSparseMin;
  float result = 0;
  long best = p.entries;
  for (long e = begin; e < end; ++e) {
    const float product = float(values[e]) * float(dense[offset_of(p.dense, plain[e], column, 0)]);
    if (!extremum) {
      result += product;
    } else if (e == begin || replaces(product, result, p.reduction)) {
      result = product;
      best = e;
    }
  }
  if (p.reduction == kSparseMean && end > begin) result /= end - begin;
  const long at = row * long(p.columns) + column;
  out[at] = T(result);
  if (extremum) chosen[at] = I(best);
}

/// One thread a row of a batch (y); faults are or-ed into one word.
template <class I>
[[kernel]] void check_compressed(device atomic_uint* faults [[buffer(0)]], device const I* compressed [[buffer(1)]],
                                 device const I* plain [[buffer(2)]], constant CompressedCheckParams& p [[buffer(3)]],
                                 uint2 id [[thread_position_in_grid]]) {
  compressed += id.y * (p.compressed_size + 1);
  plain += id.y * p.entries;
  const long begin = compressed[id.x], end = compressed[id.x + 1];
  uint found = 0;
  if (id.x == 0 && begin != 0) found |= kFirstNotZero;
  if (id.x == p.compressed_size - 1 && end != p.entries) found |= kLastNotEntries;
  if (begin > end || end - begin > p.plain_size) found |= kNotAscending;
  for (long e = max(begin, 0l); e < min(end, p.entries); ++e) {
    if (plain[e] < 0 || plain[e] >= p.plain_size) found |= kPlainOutOfRange;
    if (e > begin && plain[e] <= plain[e - 1]) found |= kNotDistinct;
  }
  if (found) atomic_fetch_or_explicit(faults, found, memory_order_relaxed);
}
