// Matrix products on the device, for the operators that need one.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

namespace torch_metal {

/// out = beta * self + alpha * a b, over matrices [m, k] and [k, n], or batches [batch, m, k] and [batch, k, n] of
/// them. All have one dtype; any strides, broadcast operands included. `self` has the sizes of out; it is ignored, NaN
/// and all, if beta is 0, and may be out. `out` may share memory with a or b.
void matmul_into(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                 const c10::Scalar& beta, const c10::Scalar& alpha);

/// The same where the caller knows that `out` has no element in common with a and b, such as blocks of one matrix.
void matmul_into_disjoint(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                          const c10::Scalar& beta, const c10::Scalar& alpha);

/// Whether writing to `out` may change `operand`.
bool shares_memory(const at::Tensor& out, const at::Tensor& operand);

/// out = a b.
void matmul_into(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

}  // namespace torch_metal
