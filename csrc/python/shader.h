// Calls of torch_metal.compile_shader's kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/launch.h"

namespace torch_metal {

/// For a buffer: a tensor's, the bytes themselves, or the error buffer.
struct ErrorBuffer {};
using ShaderArgument = std::variant<ErrorBuffer, at::Tensor, std::string_view>;

/// A call of the kernel that `ShaderKernel.address` names.
struct ShaderCall {
  int64_t kernel;
  std::vector<ShaderArgument> arguments;  ///< as many as the kernel has buffers
  std::optional<Extent> grid;             ///< without, a thread for each element of the first tensor
  std::optional<Extent> threadgroup;      ///< without, as many threads as fit along the first dimension
  std::vector<size_t> memory;  ///< bytes of each argument in threadgroup memory
};

/// Launches nothing for an empty grid. Throws c10::Error for a tensor that is not on metal, a threadgroup that is too
/// large or empty, and for want of a grid.
void launch(const ShaderCall& call);

}  // namespace torch_metal
