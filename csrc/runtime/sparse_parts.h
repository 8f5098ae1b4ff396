// A sparse tensor of any layout as the dense tensors that it is made of.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace torch_metal {

/// True for COO, CSR, CSC, BSR and BSC.
bool is_sparse_layout(c10::Layout layout);

/// {indices, values} of a COO tensor, {compressed, plain, values} of a compressed one.
std::vector<at::Tensor> sparse_parts(const at::Tensor& sparse);

/// A tensor of other parts, on their device; layout, sizes and whether it is coalesced are those of `like`.
at::Tensor with_parts(const at::Tensor& like, at::ArrayRef<at::Tensor> parts);

/// `sparse` becomes what with_parts(like, parts) returns. Both have one kind of layout.
void replace_parts(const at::Tensor& sparse, const at::Tensor& like, at::ArrayRef<at::Tensor> parts);

}  // namespace torch_metal
