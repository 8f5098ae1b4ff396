// isin: few test elements are compared with each element, many are sorted (by PyTorch's own code).
#include <ATen/native/TensorCompare.h>
#include <ATen/ops/isin_native.h>

#include "ops/structured.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// `out` holds `invert`: PyTorch filled it.
void isin_few(const Tensor& elements, const Tensor& test_elements, bool invert, const Tensor& out) {
  if (test_elements.numel() == 0) return;
  const Tensor found = elements.unsqueeze(-1).eq(test_elements.reshape(-1)).any(-1);
  out.copy_(invert ? found.logical_not() : found);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED(m, "isin.Tensor_Tensor_out", isin_Tensor_Tensor_out);
  METAL_STRUCTURED(m, "isin.Tensor_Scalar_out", isin_Tensor_Scalar_out);
  METAL_STRUCTURED(m, "isin.Scalar_Tensor_out", isin_Scalar_Tensor_out);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(isin_default_stub, &torch_metal::isin_few)
}  // namespace at::native
