// Matrix products by MPSGraph.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

namespace torch_metal {

/// out = beta * self + alpha * a b as matmul_into_disjoint has it. False, with nothing done, if MPSGraph cannot do it
/// (other dtypes, factors, gaps in memory, sizes it is wrong with) or is not the library of choice.
bool graph_matmul(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                  const c10::Scalar& beta, const c10::Scalar& alpha);

/// Whether the product of `mat`, a matrix or a vector as its one row, and a vector is for the kernels, whatever its
/// size: floats that they stream as fast as memory gives them, if no other library is asked for.
bool is_for_kernels(const at::Tensor& mat);

}  // namespace torch_metal
