// Distances between rows: cdist, pdist and their gradients. PyTorch does shapes and errors, and turns large Euclidean
// cdist into a matrix product.
#include <ATen/native/Distance.h>
#include <ATen/ops/_cdist_backward_native.h>
#include <ATen/ops/_cdist_forward_native.h>
#include <ATen/ops/_pdist_backward_native.h>
#include <ATen/ops/_pdist_forward_native.h>

#include <cmath>

#include "distance_params.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;

std::string_view norm_of(double p) {
  if (p == 0) return "norm_zero";
  if (p == 1) return "norm_one";
  if (p == 2) return "norm_two";
  return std::isinf(p) ? "norm_max" : "norm_any";
}

DistanceParams make_params(const Tensor& x1, const Tensor& x2, double p) {
  TORCH_CHECK_NOT_IMPLEMENTED(x1.size(-2) <= UINT32_MAX && x2.size(-2) <= UINT32_MAX && x1.size(-1) <= UINT32_MAX,
                              "metal: distances of 2^32 rows or columns are not implemented, got ", x1.sizes(),
                              " and ", x2.sizes());
  return {static_cast<uint32_t>(x1.size(-2)), static_cast<uint32_t>(x2.size(-2)), static_cast<uint32_t>(x1.size(-1)),
          static_cast<float>(p)};
}

uint64_t batches(const Tensor& rows) { return c10::multiply_integers(rows.sizes().slice(0, rows.dim() - 2)); }

/// Distances of x1's rows to x2's into `out`; if `condensed`, of each pair once.
void forward(const Tensor& out, const Tensor& x1, const Tensor& x2, double p, bool condensed) {
  if (out.numel() == 0) return;
  const DistanceParams params = make_params(x1, x2, p);
  // Threads run along x2's rows, which lie side by side in its transpose.
  const Tensor rows = x1.contiguous(), columns = x2.transpose(-2, -1).contiguous();
  launch_threads(
      kernel("distance", "distances", {metal_type(out.scalar_type()), norm_of(p), condensed ? "true" : "false"}),
      {params.rows2, params.rows1, batches(x1)}, {64}, out, rows, columns, params);
}

/// The gradient of `forward` with respect to x1; of a condensed one, with respect to both of its equal inputs.
void backward(const Tensor& out, const Tensor& grad, const Tensor& x1, const Tensor& x2, double p,
              const Tensor& distances, bool condensed) {
  if (out.numel() == 0) return;
  launch_threads(kernel("distance", "distances_backward",
                        {metal_type(out.scalar_type()), norm_of(p), condensed ? "true" : "false"}),
                 {uint64_t(x1.size(-1)), uint64_t(x1.size(-2)), batches(x1)}, {64}, out, grad.contiguous(),
                 x1.contiguous(), x2.contiguous(), distances.contiguous(), make_params(x1, x2, p));
}

void cdist(Tensor& result, const Tensor& x1, const Tensor& x2, double p) { forward(result, x1, x2, p, false); }
void cdist_backward(Tensor& result, const Tensor& grad, const Tensor& x1, const Tensor& x2, double p,
                    const Tensor& distances) {
  backward(result, grad, x1, x2, p, distances, false);
}
void pdist(Tensor& result, const Tensor& self, double p) { forward(result, self, self, p, true); }
void pdist_backward(Tensor& result, const Tensor& grad, const Tensor& self, double p, const Tensor& distances) {
  backward(result, grad, self, self, p, distances, true);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(cdist_stub, &torch_metal::cdist)
REGISTER_PRIVATEUSE1_DISPATCH(cdist_backward_stub, &torch_metal::cdist_backward)
REGISTER_PRIVATEUSE1_DISPATCH(pdist_forward_stub, &torch_metal::pdist)
REGISTER_PRIVATEUSE1_DISPATCH(pdist_backward_stub, &torch_metal::pdist_backward)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_cdist_forward", at::native::_cdist_forward);
  METAL_IMPL(m, "_cdist_backward", at::native::_cdist_backward);
  METAL_IMPL(m, "_pdist_forward", at::native::_pdist_forward);
  METAL_IMPL(m, "_pdist_backward", at::native::_pdist_backward);
}

}  // namespace torch_metal
