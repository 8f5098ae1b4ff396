// Which of two libraries computes matrix products and convolutions: kernels in MSL, or MPSGraph.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace torch_metal {

enum class Family : uint8_t { matmul, convolution };
enum class Library : uint8_t { automatic, msl, mps_graph };

/// What the user prefers; at first automatic: what is faster.
Library preferred_library(Family family);
void set_preferred_library(Family family, Library library);

/// Whether MPSGraph is to compute what takes `multiplications` and is written to `out`. It may still be unable to.
bool prefers_mps_graph(Family family, const at::Tensor& out, double multiplications);

}  // namespace torch_metal
