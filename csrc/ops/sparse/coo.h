// What operators on COO tensors have in common.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "ops/runs.h"
#include "runtime/launch.h"
#include "sparse_params.h"

namespace torch_metal {

/// Where each entry is among all places of the given dimensions, in row-major order: int64 [entries]. `indices` are
/// int32 or int64 [dims, entries], of any strides.
at::Tensor flat_indices(const at::Tensor& indices, at::IntArrayRef sizes);

/// Entries grouped by a key: `order` has all positions so that equal keys are neighbours, in their old order; runs of
/// it are the groups, in ascending order of keys. There must be an entry.
struct Groups {
  explicit Groups(const at::Tensor& keys);
  at::Tensor order;
  at::Tensor keys;  ///< in that order
  Runs runs;

 private:
  explicit Groups(std::tuple<at::Tensor, at::Tensor> sorted);
};

/// Rows of values, the kernel's arguments but the groups', and the launch of one thread a column of a group.
RunsParams runs_params(const Groups& groups, const at::Tensor& values);
Extent runs_grid(const RunsParams& params);
Extent runs_threadgroup(const RunsParams& params);

/// Sums (op "sum_op") or products ("product_op") of the groups' values: [groups, ...].
at::Tensor reduce_groups(std::string_view op, const Groups& groups, const at::Tensor& values);

/// Where `keys` are in a sequence of distinct ascending ones.
struct Matches {
  Matches(const at::Tensor& sequence, const at::Tensor& keys);
  at::Tensor position;  ///< where the key is not found: any valid one, if there is one
  at::Tensor found;     ///< bool

  /// Rows of values at the keys found, 0 at others.
  at::Tensor take_or_zero(const at::Tensor& values) const;
};

/// A COO tensor of parts that are known to fit.
at::Tensor make_coo(const at::Tensor& indices, const at::Tensor& values, at::IntArrayRef sizes, bool coalesced);

/// `result` becomes that tensor; values are converted to its dtype.
void assign_coo(const at::Tensor& result, const at::Tensor& indices, const at::Tensor& values, at::IntArrayRef sizes,
                bool coalesced);

}  // namespace torch_metal
