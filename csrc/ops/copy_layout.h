// What copies and fills share: element sizes as MSL types, and grids over a TensorIterator.
#pragma once

#include <ATen/native/TensorIterator.h>

#include <optional>
#include <string_view>

#include "copy_params.h"
#include "runtime/launch.h"

namespace torch_metal {

/// An MSL type of `size` bytes: 1, 2, 4, 8 or 16.
std::string_view bits_type(size_t size);

/// How the threads of a launch cover an iterator's elements.
struct CopyGrid {
  CopyLayout layout;
  Extent grid;
  Extent threadgroup;
};

/// The grid over a part of an iterator (see for_each_part), whose operand 0 is written and operand 1, if there is one,
/// read.
CopyGrid copy_grid(const at::TensorIteratorBase& iterator);

}  // namespace torch_metal
