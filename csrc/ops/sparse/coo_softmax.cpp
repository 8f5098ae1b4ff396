// Softmax of COO tensors along a dimension: of the entries that are there. Others count as -inf.
#include <ATen/WrapDimUtils.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/_log_softmax_backward_data.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/empty_like.h>

#include "ops/registration.h"
#include "ops/sparse/coo.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// Entries that differ in dimension `dim` alone are of one group.
Groups groups_along(const Tensor& self, int64_t dim) {
  at::DimVector sizes(self.sizes().slice(0, self.sparse_dim()));
  sizes[dim] = 1;
  Tensor indices = self._indices().clone();
  indices.select(0, dim).zero_();
  return Groups(flat_indices(indices, sizes));
}

void check_input(const Tensor& self) {
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(self.scalar_type()), "\"softmax\" not implemented for '",
                              self.scalar_type(), "'");
}

/// The result has the places of `self`, which is coalesced.
Tensor with_values(const Tensor& self, const Tensor& values) {
  return make_coo(self._indices().clone(), values, self.sizes(), true);
}

template <bool logarithm>
Tensor softmax(const Tensor& given, int64_t dim, bool half_to_float) {
  TORCH_CHECK(!half_to_float, "softmax with half to float conversion is not supported on metal");
  check_input(given);
  const Tensor self = given.coalesce();
  dim = at::maybe_wrap_dim(dim, self.dim());
  const Tensor values = self._values().contiguous();
  if (values.numel() == 0) return with_values(self, values.clone());
  if (dim >= self.sparse_dim()) {
    const int64_t of_values = dim - self.sparse_dim() + 1;
    return with_values(self, logarithm ? at::_log_softmax(values, of_values, false)
                                       : at::_softmax(values, of_values, false));
  }
  const Groups groups = groups_along(self, dim);
  const Tensor out = at::empty_like(values);
  const RunsParams params = runs_params(groups, values);
  launch_threads(kernel("sparse", "softmax_runs", {metal_type(values.scalar_type()), logarithm ? "true" : "false"}),
                 runs_grid(params), runs_threadgroup(params), out, values, groups.order, groups.runs.bounds(), params);
  return with_values(self, out);
}

template <bool logarithm>
Tensor softmax_backward(const Tensor& given_grad, const Tensor& given_output, int64_t dim, const Tensor& input) {
  check_input(given_output);
  TORCH_CHECK(given_grad.is_sparse() && given_grad.sizes() == given_output.sizes() &&
                  given_grad.sparse_dim() == given_output.sparse_dim(),
              "softmax_backward: expected a sparse gradient like the output, but got ", given_grad.layout(), " ",
              given_grad.sizes());
  dim = at::maybe_wrap_dim(dim, given_output.dim());
  const Tensor output = given_output.coalesce(), source = given_grad.coalesce();
  const Tensor values = output._values().contiguous();
  if (values.numel() == 0) return with_values(output, values.clone());
  const auto sizes = output.sizes().slice(0, output.sparse_dim());
  const Matches matches(flat_indices(source._indices(), sizes), flat_indices(output._indices(), sizes));
  const Tensor grad = matches.take_or_zero(source._values()).contiguous();
  if (dim >= output.sparse_dim()) {
    const int64_t of_values = dim - output.sparse_dim() + 1;
    const auto dtype = input.scalar_type();
    return with_values(output, logarithm ? at::_log_softmax_backward_data(grad, values, of_values, dtype)
                                         : at::_softmax_backward_data(grad, values, of_values, dtype));
  }
  const Groups groups = groups_along(output, dim);
  const Tensor out = at::empty_like(values);
  const RunsParams params = runs_params(groups, values);
  launch_threads(
      kernel("sparse", "softmax_runs_backward", {metal_type(values.scalar_type()), logarithm ? "true" : "false"}),
      runs_grid(params), runs_threadgroup(params), out, grad, values, groups.order, groups.runs.bounds(), params);
  return with_values(output, out);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, SparsePrivateUse1, m) {
  METAL_IMPL(m, "_sparse_softmax", softmax<false>);
  METAL_IMPL(m, "_sparse_log_softmax", softmax<true>);
  METAL_IMPL(m, "_sparse_softmax_backward_data", softmax_backward<false>);
  METAL_IMPL(m, "_sparse_log_softmax_backward_data", softmax_backward<true>);
}

}  // namespace torch_metal
