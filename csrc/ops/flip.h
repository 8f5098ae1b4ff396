// Elements in reverse order.
#pragma once

#include <ATen/core/Tensor.h>

namespace torch_metal {

/// Writes the elements of `self` to `out`, of the same shape and dtype and elsewhere, in reverse order along `dims`.
void flip_into(const at::Tensor& out, const at::Tensor& self, at::IntArrayRef dims);

}  // namespace torch_metal
