// Launches element-wise kernels (kernels/include/elementwise.h) on a TensorIterator.
#pragma once

#include <ATen/native/TensorIterator.h>
#include <c10/core/Scalar.h>

#include <initializer_list>
#include <string_view>

#include "elementwise_params.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {

/// A number in the forms a kernel may read it in.
ScalarValue scalar_value(const at::Scalar& number);

/// The layout of operands of a common shape (operand 0 is the output), innermost dimension first, strides in bytes.
/// At most 16 dimensions; offsets fit 32 bits.
StridedLayout strided_layout(at::IntArrayRef sizes, at::ArrayRef<at::IntArrayRef> strides);

/// Grid and threadgroup of kernels that take a StridedLayout: x and y are the innermost dimensions, z all others.
Extent grid_of(const StridedLayout& layout);
Extent threadgroup_of(const Extent& grid);

/// Computes op::<op> of kernels/<family>.metal for every element of an iterator with one output and one to three
/// inputs. Inputs are converted to the iterator's common dtype, or keep their own if it has none; inputs that are CPU
/// scalars become numbers.
/// `numbers` (at most four) are the operator's further parameters.
void elementwise(at::TensorIteratorBase& iter, std::string_view family, std::string_view op,
                 std::initializer_list<at::Scalar> numbers = {});

/// The same where inputs are converted to given dtypes, one for each input.
void elementwise(at::TensorIteratorBase& iter, std::string_view family, std::string_view op,
                 std::initializer_list<at::Scalar> numbers, at::ArrayRef<at::ScalarType> input_types);

/// The dtypes an operator is defined for, as a set of kinds.
enum class Domain : uint8_t {
  boolean = 1,
  integer = 2,
  real = 4,
  complex = 8,
  integral = boolean | integer,
  arithmetic = integer | real,
  field = real | complex,
  ordered = boolean | integer | real,
  signed_number = integer | real | complex,
  number = boolean | integer | real | complex,
};

/// Throws PyTorch's NotImplementedError if `dtype` is outside of `domain`.
void check_domain(std::string_view op, Domain domain, at::ScalarType dtype);

/// The same where each input keeps its own dtype: masks beside numbers.
void elementwise_as_stored(at::TensorIteratorBase& iter, std::string_view family, std::string_view op,
                           std::initializer_list<at::Scalar> numbers = {});

/// For dispatch stubs that take an iterator alone.
template <detail::OperatorName family, detail::OperatorName op, Domain domain = Domain::number,
          class Iterator = at::TensorIteratorBase>
void elementwise_stub(Iterator& iter) {
  if constexpr (domain != Domain::number) check_domain(op.text, domain, iter.common_dtype());
  elementwise(iter, family.text, op.text);
}

}  // namespace torch_metal
