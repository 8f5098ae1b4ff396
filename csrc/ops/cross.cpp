// The vector product.
#include <ATen/native/Cross.h>
#include <ATen/ops/linalg_cross_native.h>

#include "cross_params.h"
#include "ops/iteration.h"
#include "ops/structured.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;

void cross(const Tensor& result, const Tensor& a, const Tensor& b, int64_t dim) {
  if (result.numel() == 0) return;
  CrossParams params{};
  const Tensor operands[] = {result.select(dim, 0), a.expand_as(result).select(dim, 0),
                             b.expand_as(result).select(dim, 0)};
  const at::DimVector sizes(operands[0].sizes().rbegin(), operands[0].sizes().rend());
  params.shape = iteration_shape(sizes);
  for (int i = 0; i < 3; ++i) {
    at::DimVector strides(operands[i].strides().rbegin(), operands[i].strides().rend());
    for (int64_t& stride : strides) stride *= result.element_size();
    params.strides[i] = byte_strides(strides);
  }
  params.component[0] = result.stride(dim);
  params.component[1] = a.stride(dim);
  params.component[2] = b.stride(dim);
  launch_threads(kernel("cross", "cross_product", {metal_type(result.scalar_type())}),
                 {uint64_t(operands[0].numel())}, {64}, result, a, b, params);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(cross_stub, &torch_metal::cross)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { METAL_STRUCTURED(m, "linalg_cross.out", linalg_cross_out); }

}  // namespace torch_metal
