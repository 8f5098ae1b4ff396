// DLPack export: a capsule whose data is the MTLBuffer, as kDLMetal demands.
#pragma once

#include <ATen/core/Tensor.h>
#include <pybind11/pybind11.h>

namespace torch_metal {

/// `tensor` as a "dltensor" capsule, or "dltensor_versioned".
pybind11::capsule to_dlpack(const at::Tensor& tensor, bool versioned);

}  // namespace torch_metal
