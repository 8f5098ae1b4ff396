// Scans along a dimension: cumsum, cumprod, logcumsumexp, cummax, cummin.
#include <ATen/MemoryOverlap.h>
#include <ATen/WrapDimUtils.h>
#include <ATen/native/ReduceOps.h>
#include <ATen/native/Resize.h>

#include <algorithm>
#include <string>

#include "ops/elementwise.h"
#include "ops/narrow.h"
#include "ops/structured.h"
#include "runtime/launch.h"
#include "scan_params.h"

namespace torch_metal {
namespace {

using at::Tensor;


Tensor dense_like(const Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : at::empty(tensor.sizes(), tensor.options());
}
void copy_back(const Tensor& dense, const Tensor& tensor) {
  if (!dense.is_same(tensor)) tensor.copy_(dense);
}

/// Scans `self` into `out` and, for operators that have one, a second output.
void launch_scan(std::string_view op, const Tensor& self, int64_t dim, const Tensor& out, const Tensor& out2) {
  at::assert_no_partial_overlap(out, self);
  if (self.numel() == 0) return;
  const Tensor input = self.contiguous(), dense = dense_like(out),
               dense2 = out2.is_same(out) ? dense : dense_like(out2);
  dim = at::maybe_wrap_dim(dim, self.dim());
  uint64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < self.dim(); ++d)
    if (d != dim) (d < dim ? outer : inner) *= self.size(d);
  const ScanParams params{self.dim() == 0 ? 1 : self.size(dim),
                          narrow(inner, "the number of elements after a scan's dimension")};
  const std::string instance = std::string(op) + "<" + std::string(metal_type(out.scalar_type())) + ">";
  if (inner == 1 && params.size >= kSimdWidth) {
    const Kernel& rows = kernel("cumulative", "scan_rows", {instance});
    for_each_group_range(outer, kSimdWidth, [&](uint64_t first, uint64_t count) {
      const uint64_t element = first * params.size;
      launch_groups(rows, {count}, {kSimdWidth}, elements_from(input, element), elements_from(dense, element),
                    elements_from(dense2, element), params);
    });
  } else {
    const uint64_t x = std::min<uint64_t>(inner, 64);
    launch_threads(kernel("cumulative", "scan_columns", {instance}), {inner, outer}, {x, 64 / x}, input, dense, dense2,
                   params);
  }
  copy_back(dense, out);
  if (!out2.is_same(out)) copy_back(dense2, out2);
}

void cumsum(const Tensor& result, const Tensor& self, int64_t dim) {
  launch_scan("cumsum_op", self, dim, result, result);
}
void cumprod(const Tensor& result, const Tensor& self, int64_t dim) {
  launch_scan("cumprod_op", self, dim, result, result);
}
void logcumsumexp(Tensor& result, const Tensor& self, int64_t dim) {
  check_domain("logcumsumexp", Domain::field, self.scalar_type());
  at::maybe_wrap_dim(dim, self.dim());
  at::native::resize_output(result, self.sizes());
  launch_scan("logcumsumexp_op", self, dim, result, result);
}

void cummax_helper(const Tensor& self, Tensor& values, Tensor& indices, int64_t dim) {
  launch_scan("cummax_op", self, dim, values, indices);
}
void cummin_helper(const Tensor& self, Tensor& values, Tensor& indices, int64_t dim) {
  launch_scan("cummin_op", self, dim, values, indices);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(cumsum_stub, &torch_metal::cumsum)
REGISTER_PRIVATEUSE1_DISPATCH(cumprod_stub, &torch_metal::cumprod)
REGISTER_PRIVATEUSE1_DISPATCH(logcumsumexp_stub, &torch_metal::logcumsumexp)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED(m, "cumsum.out", cumsum_out);
  METAL_STRUCTURED(m, "cumprod.out", cumprod_out);
  METAL_IMPL(m, "_logcumsumexp", at::native::_logcumsumexp_cpu);
  METAL_IMPL(m, "_logcumsumexp.out", at::native::_logcumsumexp_out_cpu);
  METAL_IMPL(m, "_cummax_helper", cummax_helper);
  METAL_IMPL(m, "_cummin_helper", cummin_helper);
}

}  // namespace torch_metal
