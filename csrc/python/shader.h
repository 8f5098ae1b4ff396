// torch_metal.compile_shader's library and kernel objects.
#pragma once

#include <pybind11/pybind11.h>

namespace torch_metal {

void define_shader(pybind11::module_& m);

}  // namespace torch_metal
