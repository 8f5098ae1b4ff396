// Recordings of kernels, as torch_metal.profiler uses them.
#pragma once

#include <pybind11/pybind11.h>

namespace torch_metal {

void define_profiler(pybind11::module_& m);

}  // namespace torch_metal
