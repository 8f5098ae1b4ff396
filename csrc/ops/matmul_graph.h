// Matrix products by MPSGraph.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

namespace torch_metal {

/// out = beta * self + alpha * a b as matmul_into_disjoint has it. False, with nothing done, if MPSGraph cannot do it
/// (other dtypes, factors, gaps in memory, sizes it is wrong with) or is not the library of choice.
bool graph_matmul(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                  const c10::Scalar& beta, const c10::Scalar& alpha);

}  // namespace torch_metal
