// DLPack export: data is the MTLBuffer, as kDLMetal demands.
#pragma once

#include <ATen/core/Tensor.h>

namespace torch_metal {

/// The address of a DLManagedTensor, or DLManagedTensorVersioned, which the caller owns.
int64_t to_dlpack(const at::Tensor& tensor, bool versioned);

}  // namespace torch_metal
