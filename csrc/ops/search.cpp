// Positions among sorted boundaries: searchsorted, bucketize.
#include <ATen/native/BucketizationUtils.h>
#include <ATen/native/Resize.h>

#include "ops/narrow.h"
#include "ops/registration.h"
#include "runtime/launch.h"
#include "search_params.h"

namespace torch_metal {
namespace {

using at::Scalar;
using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
using Side = std::optional<std::string_view>;

Tensor& searchsorted_out(const Tensor& boundaries, const Tensor& self, bool out_int32, bool right, Side side,
                         const OptionalTensor& sorter_opt, Tensor& out) {
  const Tensor sorter = sorter_opt.value_or(Tensor());
  at::native::searchsorted_pre_check(boundaries, self, out, out_int32, right, side, sorter);
  at::native::resize_output(out, self.sizes());
  if (self.numel() == 0) return out;
  const at::ScalarType dtype = at::result_type(boundaries, self);
  const Tensor values = self.to(dtype).contiguous(), rows = boundaries.to(dtype).contiguous();
  const Tensor order = sorter.defined() ? sorter.contiguous() : rows;
  const Tensor dense = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());

  SearchParams params{};
  params.row = boundaries.dim() == 1 ? self.numel() : self.size(-1);
  params.boundaries = narrow(rows.size(-1), "searchsorted's number of boundaries");
  params.right = right || (side && *side == "right");
  params.has_sorter = sorter.defined();
  launch_threads(kernel("search", "search_sorted", {metal_type(dtype), metal_type(out.scalar_type())}),
                 {uint64_t(self.numel())}, {64}, values, rows, order, dense, params);
  if (!dense.is_same(out)) out.copy_(dense);
  return out;
}

Tensor searchsorted(const Tensor& boundaries, const Tensor& self, bool out_int32, bool right, Side side,
                    const OptionalTensor& sorter) {
  Tensor out = at::empty({0}, boundaries.options().dtype(out_int32 ? at::kInt : at::kLong));
  return searchsorted_out(boundaries, self, out_int32, right, side, sorter, out);
}

Tensor searchsorted_scalar(const Tensor& boundaries, const Scalar& self, bool out_int32, bool right, Side side,
                           const OptionalTensor& sorter) {
  const Tensor value = at::scalar_tensor(self, boundaries.options());
  return torch_metal::searchsorted(boundaries, value, out_int32, right, side, sorter);
}

Tensor& searchsorted_scalar_out(const Tensor& boundaries, const Scalar& self, bool out_int32, bool right, Side side,
                                const OptionalTensor& sorter, Tensor& out) {
  const Tensor value = at::scalar_tensor(self, boundaries.options());
  return torch_metal::searchsorted_out(boundaries, value, out_int32, right, side, sorter, out);
}

void check_bucketize(const Tensor& boundaries) {
  TORCH_CHECK(boundaries.dim() == 1, "boundaries tensor must be 1 dimension, but got dim(", boundaries.dim(), ")");
}

Tensor bucketize(const Tensor& self, const Tensor& boundaries, bool out_int32, bool right) {
  check_bucketize(boundaries);
  return torch_metal::searchsorted(boundaries, self, out_int32, right, std::nullopt, std::nullopt);
}

Tensor& bucketize_out(const Tensor& self, const Tensor& boundaries, bool out_int32, bool right, Tensor& out) {
  check_bucketize(boundaries);
  return torch_metal::searchsorted_out(boundaries, self, out_int32, right, std::nullopt, std::nullopt, out);
}

Tensor bucketize_scalar(const Scalar& self, const Tensor& boundaries, bool out_int32, bool right) {
  return torch_metal::bucketize(at::scalar_tensor(self, boundaries.options()), boundaries, out_int32, right);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "searchsorted.Tensor", searchsorted);
  METAL_IMPL(m, "searchsorted.Tensor_out", searchsorted_out);
  METAL_IMPL(m, "searchsorted.Scalar", searchsorted_scalar);
  METAL_IMPL(m, "searchsorted.Scalar_out", searchsorted_scalar_out);
  METAL_IMPL(m, "bucketize.Scalar", bucketize_scalar);
  METAL_IMPL(m, "bucketize.Tensor", bucketize);
  METAL_IMPL(m, "bucketize.Tensor_out", bucketize_out);
}

}  // namespace torch_metal
