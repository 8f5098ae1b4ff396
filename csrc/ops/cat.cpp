// Concatenation: every input is copied into its part of the output, which converts dtypes and layouts.
#include <ATen/native/TensorShape.h>
#include <ATen/ops/cat_meta.h>

#include "ops/copy_layout.h"
#include "ops/structured.h"

namespace torch_metal {
namespace {

/// Whether `tensor` becomes a piece of the bytes of `out` as it is, in a single launch.
bool is_piece_of(const at::Tensor& out, const at::Tensor& tensor, int64_t dim) {
  const bool is_outermost = c10::multiply_integers(out.sizes().slice(0, dim)) == 1;
  return is_outermost && out.is_contiguous() && tensor.is_contiguous() && out.scalar_type() == tensor.scalar_type() &&
         out.is_conj() == tensor.is_conj() && out.is_neg() == tensor.is_neg() && tensor.nbytes() < kMaxGridThreads;
}

struct Cat : at::meta::structured_cat {
  void impl(const meta_return_ty& precomputed, const at::ITensorListRef& tensors, int64_t, const at::Tensor& out) {
    if (out.numel() == 0) return;
    int64_t begin = 0;
    for (const at::Tensor& tensor : tensors) {
      if (at::native::cat_should_skip_tensor(tensor)) continue;
      const int64_t size = tensor.size(precomputed.dim);
      if (is_piece_of(out, tensor, precomputed.dim)) {
        const uint64_t row = out.numel() / out.size(precomputed.dim);
        move_dense(tensor.nbytes(), out.element_size(), elements_from(out, begin * row), buffer_range(tensor));
      } else {
        out.narrow(precomputed.dim, begin, size).copy_(tensor);
      }
      begin += size;
    }
  }
};

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { METAL_STRUCTURED_CLASS(m, "cat.out", Cat); }

}  // namespace
}  // namespace torch_metal
