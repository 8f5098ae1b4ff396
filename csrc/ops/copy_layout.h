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

  explicit CopyGrid(const CopyLayout& layout);
};

/// The grid over a part of an iterator (see for_each_part), whose operand 0 is written and operand 1, if there is one,
/// read.
CopyGrid copy_grid(const at::TensorIteratorBase& iterator);

/// Dimensions, the innermost in memory first.
at::DimVector inner_to_outer(const at::Tensor& tensor);

/// Whether kernels can count in 32 bits from the first element to the last.
bool fits_32_bits(const at::Tensor& tensor);

/// A stride along x as a kernel's template argument.
std::string_view step_along_x(int32_t stride);

/// Moves `bytes` of dense elements of `size` bytes.
void move_dense(uint64_t bytes, size_t size, const BufferRange& to, const BufferRange& from);

/// Moves elements of `size` bytes, bits unchanged, from where `layout` says to where it says.
void move_strided(const CopyLayout& layout, size_t size, const BufferRange& to, const BufferRange& from);

}  // namespace torch_metal
