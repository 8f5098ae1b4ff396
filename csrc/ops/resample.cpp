#include "ops/resample.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

namespace torch_metal {

namespace {
at::Tensor on_device(const std::vector<int64_t>& positions, const at::Tensor& like) {
  return at::tensor(positions, at::kLong).to(like.device());
}
}  // namespace

at::Tensor resample(const at::Tensor& input, int64_t dim, const std::vector<int64_t>& positions) {
  return at::index_select(input, dim, on_device(positions, input));
}

at::Tensor resample_adjoint(const at::Tensor& gradient, int64_t dim, const std::vector<int64_t>& positions,
                            int64_t size) {
  at::DimVector sizes(gradient.sizes());
  sizes[at::maybe_wrap_dim(dim, gradient.dim())] = size;
  at::Tensor result = at::zeros(sizes, gradient.options());
  return result.index_add_(dim, on_device(positions, gradient), gradient);
}

}  // namespace torch_metal
