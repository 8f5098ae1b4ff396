// Kernels that work through lists of tensors in few launches.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "multi_tensor_params.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {

/// Tables of at most MULTI_TENSOR_COUNT of the tensors of some lists; tensors without elements are left out.
/// Lists have equal lengths (empty ones are absent), corresponding tensors equal sizes.
struct TensorChunk {
  TensorTable table{};
  Resources resources;
  std::vector<size_t> indices;  ///< which tensors of the lists these are
  uint64_t groups() const { return table.first_group[table.count]; }
};
std::vector<TensorChunk> tensor_chunks(at::ArrayRef<at::TensorList> lists);

/// Launches `kernel` for a chunk, with further arguments after the table.
template <class... Arguments>
void launch_chunk(const Kernel& kernel, const TensorChunk& chunk, const Arguments&... arguments) {
  constexpr uint64_t kThreads = 1024;
  launch_groups(kernel, {chunk.groups()}, {kThreads}, chunk.table, arguments..., chunk.resources);
}

}  // namespace torch_metal
