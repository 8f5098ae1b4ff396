// Parameters of matrix multiplication, shared by host and kernels.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

#ifdef __METAL__
constant
#endif
constexpr uint32_t kGemvRows = 4;  ///< that a SIMD-group of gemv_rows computes
#ifdef __METAL__
constant
#endif
constexpr uint32_t kLongThreads = 256;  ///< of a threadgroup of multiply_long

/// Element strides of a batch of matrices; 0 where an operand is broadcast.
struct MatrixLayout {
  int64_t row;
  int64_t column;
  int64_t batch;
};

/// out[m, n] = alpha * a[m, k] b[k, n] + beta * self[m, n]. `self` is not read if beta is 0.
/// Scalar is what alpha and beta are computed in: float, long, or a complex of floats.
template <class Scalar>
struct MatmulParams {
  uint32_t m;
  uint32_t n;
  uint32_t k;
  MatrixLayout a;
  MatrixLayout b;
  MatrixLayout self;
  MatrixLayout out;
  Scalar alpha;
  Scalar beta;
};

}  // namespace torch_metal
