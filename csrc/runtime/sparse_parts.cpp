#include "runtime/sparse_parts.h"

#include <ATen/SparseCsrTensorUtils.h>
#include <ATen/SparseTensorImpl.h>
#include <ATen/native/SparseTensorUtils.h>
#include <ATen/ops/_sparse_compressed_tensor_unsafe.h>
#include <ATen/ops/_sparse_coo_tensor_with_dims_and_tensors.h>

namespace torch_metal {

namespace {

at::TensorOptions options_of(const at::Tensor& like, const at::Tensor& values) {
  return values.options().layout(like.layout());
}

}  // namespace

bool is_sparse_layout(c10::Layout layout) {
  return layout == at::kSparse || at::sparse_csr::is_sparse_compressed(layout);
}

std::vector<at::Tensor> sparse_parts(const at::Tensor& sparse) {
  if (sparse.layout() == at::kSparse) return {sparse._indices(), sparse._values()};
  const auto [compressed, plain] = at::sparse_csr::getCompressedPlainIndices(sparse);
  return {compressed, plain, sparse.values()};
}

at::Tensor with_parts(const at::Tensor& like, at::ArrayRef<at::Tensor> parts) {
  const at::TensorOptions options = options_of(like, parts.back());
  if (like.layout() == at::kSparse) {
    return at::_sparse_coo_tensor_with_dims_and_tensors(like.sparse_dim(), like.dense_dim(), like.sizes(), parts[0],
                                                        parts[1], options, like.is_coalesced());
  }
  return at::_sparse_compressed_tensor_unsafe(parts[0], parts[1], parts[2], like.sizes(), options);
}

void replace_parts(const at::Tensor& sparse, const at::Tensor& like, at::ArrayRef<at::Tensor> parts) {
  if (sparse.layout() == at::kSparse) {
    at::SparseTensorImpl* const impl = at::sparse::get_sparse_impl(sparse);
    impl->raw_resize_(like.sparse_dim(), like.dense_dim(), like.sizes());
    impl->set_indices_and_values_unsafe(parts[0], parts[1]);
    impl->set_coalesced(like.is_coalesced());
  } else {
    at::sparse_csr::get_sparse_csr_impl(sparse)->set_member_tensors(parts[0], parts[1], parts[2], like.sizes());
  }
}

}  // namespace torch_metal
