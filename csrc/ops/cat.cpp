// Concatenation: every input is copied into its part of the output, which converts dtypes and layouts.
#include <ATen/native/TensorShape.h>
#include <ATen/ops/cat_meta.h>

#include "ops/structured.h"

namespace torch_metal {
namespace {

struct Cat : at::meta::structured_cat {
  void impl(const meta_return_ty& precomputed, const at::ITensorListRef& tensors, int64_t, const at::Tensor& out) {
    if (out.numel() == 0) return;
    int64_t begin = 0;
    for (const at::Tensor& tensor : tensors) {
      if (at::native::cat_should_skip_tensor(tensor)) continue;
      const int64_t size = tensor.size(precomputed.dim);
      out.narrow(precomputed.dim, begin, size).copy_(tensor);
      begin += size;
    }
  }
};

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { METAL_STRUCTURED_CLASS(m, "cat.out", Cat); }

}  // namespace
}  // namespace torch_metal
