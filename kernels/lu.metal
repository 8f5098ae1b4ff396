// LU factorisation of small matrices and narrow panels, and row interchanges.
#include <c10/metal/error.h>
#include <metal_stdlib>

#include "lu_params.h"
#include "scalar_math.h"

using namespace metal;
using namespace torch_metal;

constant constexpr uint kMaxSimdgroups = 8;
constant constexpr uint kNowhere = 0xffffffff;

/// What LAPACK compares pivots by.
static float magnitude(float x) { return fabs(x); }
static float magnitude(float2 z) { return fabs(z.x) + fabs(z.y); }

/// The largest value that a thread has met and its row; the first of equal ones.
struct Candidate {
  float value = -1;
  uint row = kNowhere;

  void meet(float v, uint r) {
    if (v > value || (v == value && r < row)) {
      value = v;
      row = r;
    }
  }
  Candidate best_of_simdgroup() const {
    const float most = simd_max(value);
    return {most, simd_min(value == most ? row : kNowhere)};
  }
  Candidate() {}
  Candidate(float v, uint r) : value(v), row(r) {}
};

/// The best candidate of all threads of the threadgroup.
static Candidate best_of_threadgroup(Candidate candidate, threadgroup float* values, threadgroup uint* rows,
                                     uint simdgroup, uint simdgroups, uint lane) {
  candidate = candidate.best_of_simdgroup();
  if (lane == 0) {
    values[simdgroup] = candidate.value;
    rows[simdgroup] = candidate.row;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  Candidate best;
  for (uint i = 0; i < simdgroups; ++i) best.meet(values[i], rows[i]);
  return best;
}

/// One threadgroup for each panel. Threads run down the rows.
template <class T>
kernel void factor_panel(device T* a [[buffer(0)]], device int* pivots [[buffer(1)]], device int* info [[buffer(2)]],
                         constant LuParams& params [[buffer(3)]], uint batch [[threadgroup_position_in_grid]],
                         uint thread_index [[thread_index_in_threadgroup]],
                         uint threads [[threads_per_threadgroup]],
                         uint simdgroup [[simdgroup_index_in_threadgroup]],
                         uint simdgroups [[simdgroups_per_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float values[kMaxSimdgroups];
  threadgroup uint rows[kMaxSimdgroups];
  const long row_stride = params.a.row, column_stride = params.a.column;
  a += batch * params.a.batch;
  pivots += batch * params.pivots + params.start;
  const uint steps = min(params.rows, params.columns);
  for (uint j = 0; j < steps; ++j) {
    device T* const column = a + j * column_stride;
    uint pivot_row = j;
    if (params.pivoting) {
      Candidate candidate;
      for (uint r = j + thread_index; r < params.rows; r += threads) candidate.meet(magnitude(column[r * row_stride]), r);
      pivot_row = best_of_threadgroup(candidate, values, rows, simdgroup, simdgroups, lane).row;
      if (pivot_row == kNowhere) pivot_row = j;  // NaN alone
    }
    if (pivot_row != j && thread_index < params.columns) {
      for (uint c = thread_index; c < params.columns; c += threads) {
        device T* const top = a + c * column_stride + j * row_stride;
        device T* const bottom = a + c * column_stride + pivot_row * row_stride;
        const T value = *top;
        *top = *bottom;
        *bottom = value;
      }
    }
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    const T pivot = column[j * row_stride];
    const bool singular = !math::nonzero(pivot);
    if (thread_index == 0) {
      pivots[j] = int(params.start + pivot_row + 1);
      if (singular && info[batch] == 0) info[batch] = int(params.start + j + 1);
    }
    for (uint r = j + 1 + thread_index; r < params.rows; r += threads) {
      T factor = column[r * row_stride];
      if (!singular) column[r * row_stride] = factor = math::div(factor, pivot);
      for (uint c = j + 1; c < params.columns; ++c) {
        device T* const other = a + c * column_stride;
        other[r * row_stride] -= math::mul(factor, other[j * row_stride]);
      }
    }
    threadgroup_barrier(mem_flags::mem_device);
  }
}

/// Panels of at most `width` rows and columns, several to a SIMD-group: a lane has a row in its registers, each panel
/// has `width` lanes. Rows stay where they are until all is done; a row's place is where it will go.
template <class T, int width>
kernel void factor_small(device T* a [[buffer(0)]], device int* pivots [[buffer(1)]], device int* info [[buffer(2)]],
                         constant LuParams& params [[buffer(3)]], uint thread_index [[thread_position_in_grid]],
                         ushort lane [[thread_index_in_simdgroup]]) {
  const uint row = thread_index % width, batch = thread_index / width;
  const uint rows = params.rows, columns = params.columns, steps = min(rows, columns);
  a += batch * params.a.batch;
  T values[width];
  for (uint c = 0; c < width; ++c)
    values[c] = row < rows && c < columns ? a[row * params.a.row + c * params.a.column] : T(0);

  uint place = row, interchange = 0, zero_pivot = 0;
#pragma unroll
  for (uint j = 0; j < width; ++j) {
    if (j >= steps) continue;
    const bool here = place == j, left = row < rows && place >= j;
    float value = left ? magnitude(values[j]) : -3;
    if (isnan(value)) value = here ? -1 : -2;  // the first, where there is NaN alone
    if (!params.pivoting) value = here ? 1 : -3;
    Candidate pivot(value, place * width + row);  // of equal ones the first by place
    for (ushort mask = width / 2; mask > 0; mask /= 2)
      pivot.meet(simd_shuffle_xor(pivot.value, mask), simd_shuffle_xor(pivot.row, mask));
    const uint pivot_place = pivot.row / width, pivot_row = pivot.row % width;
    place = row == pivot_row ? j : here ? pivot_place : place;
    if (row == j) interchange = pivot_place;

    const ushort pivot_lane = lane - row + pivot_row;
    const T top = simd_shuffle(values[j], pivot_lane);
    const bool singular = !math::nonzero(top), below = row < rows && place > j;
    if (singular && zero_pivot == 0) zero_pivot = params.start + j + 1;
    if (below && !singular) values[j] = math::div(values[j], top);
    for (uint c = j + 1; c < width; ++c) {
      const T above = simd_shuffle(values[c], pivot_lane);
      if (below) values[c] -= math::mul(values[j], above);
    }
  }

  simdgroup_barrier(mem_flags::mem_device);  // all rows are read
  for (uint c = 0; c < width; ++c)
    if (row < rows && c < columns) a[place * params.a.row + c * params.a.column] = values[c];
  if (row < steps) pivots[batch * params.pivots + params.start + row] = int(params.start + interchange + 1);
  if (row == 0 && zero_pivot != 0 && info[batch] == 0) info[batch] = int(zero_pivot);
}

/// One thread for each column of each matrix.
template <class T>
kernel void swap_rows(device T* a [[buffer(0)]], device const int* pivots [[buffer(1)]],
                      constant RowSwapParams& params [[buffer(2)]], uint2 position [[thread_position_in_grid]]) {
  a += position.y * params.a.batch + position.x * params.a.column;
  pivots += position.y * params.pivots + params.start;
  for (uint i = 0; i < params.count; ++i) {
    const uint row = params.backward ? params.count - 1 - i : i;
    const uint other = uint(pivots[row]) - 1 - params.start;
    if (other == row) continue;
    const T value = a[row * params.a.row];
    a[row * params.a.row] = a[other * params.a.row];
    a[other * params.a.row] = value;
  }
}

/// One thread for each permutation, which starts as 0, 1, 2, ...
kernel void unpack_pivots(device long* permutations [[buffer(0)]], device const int* pivots [[buffer(1)]],
                          device c10::metal::ErrorMessages* errors [[buffer(2)]],
                          constant UnpackPivotsParams& params [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  const Coordinates at(params.shape, i);
  device long* const permutation = &at_byte(permutations, at.offset(params.permutation));
  device const int* const row_pivots = &at_byte(pivots, at.offset(params.pivots));
  for (uint row = 0; row < params.count; ++row) {
    const int other = row_pivots[row] - 1;
    if (other < 0 || other >= int(params.rows)) {
      TORCH_REPORT_ERROR(errors, "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive. ",
                         "Did you properly pass the result of lu_factor?");
      return;
    }
    const long value = permutation[row];
    permutation[row] = permutation[other];
    permutation[other] = value;
  }
}
