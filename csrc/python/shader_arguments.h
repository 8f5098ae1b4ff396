// Python values as a kernel takes them.
#pragma once

#include <ATen/core/Tensor.h>
#include <pybind11/pybind11.h>

#include <string>
#include <variant>
#include <vector>

#include "runtime/kernel_library.h"

namespace torch_metal {

using Bytes = std::vector<char>;
using ShaderArgument = std::variant<at::Tensor, Bytes>;

/// A tensor on metal as it is; a number, a list of numbers or a 0-d CPU tensor as bytes of the kernel's own type. `cast`
/// ("int32", "fp16", ...) overrides that type; empty, it does not. Of a structure's fields nothing is known: without a
/// cast, ints are 64 bits there, floats 32, bools 8. `what` starts the messages of errors: TypeError for what is not a
/// number, OverflowError for one that does not fit, RuntimeError for a tensor elsewhere or too few numbers.
ShaderArgument to_shader_argument(const pybind11::handle& value, const KernelArgument& argument, const std::string& cast,
                                  const std::string& what);

/// The value of a function constant. Throws as above.
Bytes to_constant(const pybind11::handle& value, MTL::DataType type, const std::string& what);

/// MSL's name of a scalar or vector type: "float3"; "struct" for all else.
std::string type_name(MTL::DataType type);

}  // namespace torch_metal
