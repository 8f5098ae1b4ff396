// Keeps the memory of tensors resident, so that kernels may use it by address without naming it in each encoder.
#pragma once

#include <Metal/Metal.hpp>

namespace torch_metal::residency {

/// `buffer` may be used by every queue from here on, until remove(). The caller waits for its last use before.
void add(const MTL::Buffer* buffer);
void remove(const MTL::Buffer* buffer);
/// What is resident is so for `queue`, too.
void attach(MTL::CommandQueue* queue);

}  // namespace torch_metal::residency
