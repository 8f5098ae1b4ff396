// Norms of slices: renorm scales down to one, weight normalisation makes it a parameter.
#include <ATen/native/Normalization.h>
#include <ATen/ops/norm_except_dim.h>

#include "ops/structured.h"

namespace torch_metal {
namespace {

using at::Tensor;
using Tensors2 = std::tuple<Tensor, Tensor>;

void renorm_scale_factor(at::TensorIteratorBase& iterator, double maximum) {
  const Tensor& norm = iterator.tensor(1);
  iterator.tensor(0).copy_(at::where(norm.gt(maximum), norm.add(1e-7).reciprocal().mul(maximum), at::Scalar(1)));
}

/// Low precision is computed in float32.
Tensor widened(const Tensor& x) {
  return x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x;
}

/// w = v * (g / |v|), the norm taken over all dimensions but `dim`. Returns w and the norms.
Tensors2 weight_norm(const Tensor& v, const Tensor& g, int64_t dim) {
  const Tensor wide = widened(v), norms = at::norm_except_dim(wide, 2, dim);
  return {(wide * (widened(g) / norms)).to(v.scalar_type()), norms};
}

/// With s the sum of grad * v over a slice: grad_v = g / |v| * (grad - v * s / |v|^2), grad_g = s / |v|.
Tensors2 weight_norm_backward(const Tensor& grad, const Tensor& v, const Tensor& g, const Tensor& norms, int64_t dim) {
  const Tensor wide = widened(v), wide_grad = widened(grad), product = wide_grad * wide;
  at::DimVector others;
  for (int64_t d = 0; d < v.dim(); ++d)
    if (d != at::maybe_wrap_dim(dim, v.dim())) others.push_back(d);
  const Tensor sums = others.empty() ? product : product.sum(others, /*keepdim=*/true);
  const Tensor grad_v = widened(g) / norms * (wide_grad - wide * (sums / norms.square()));
  return {grad_v.to(v.scalar_type()), (sums / norms).to(g.scalar_type())};
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(renorm_scale_factor_stub, &torch_metal::renorm_scale_factor)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED(m, "renorm.out", renorm_out);
  METAL_IMPL(m, "_weight_norm_interface", weight_norm);
  METAL_IMPL(m, "_weight_norm_interface_backward", weight_norm_backward);
}

}  // namespace torch_metal
