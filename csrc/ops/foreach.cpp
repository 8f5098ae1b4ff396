// torch._foreach_*: the functors of the element-wise operators, over lists of tensors. What does not suit one launch
// (mixed dtypes or strides, integers, broadcasting) goes tensor by tensor, as PyTorch does it elsewhere.
#include <ATen/NativeFunctions.h>
#include <ATen/native/ForeachUtils.h>
#include <ATen/ops/empty_like.h>

#include "ops/elementwise.h"
#include "ops/multi_tensor.h"

namespace torch_metal {

namespace {

using at::Scalar;
using at::Tensor;
using at::TensorList;
using ScalarList = at::ArrayRef<Scalar>;

/// An operator on lists: functor, inputs, and numbers (none, one for all tensors, or one for each).
struct ListOperation {
  std::string_view family;
  std::string_view functor;
  std::vector<TensorList> inputs;
  std::vector<Scalar> numbers = {};
  bool bind = false;  ///< the number is the second operand of a binary functor

  bool fits_one_launch() const;
  void run(TensorList out) const;
};

bool ListOperation::fits_one_launch() const {
  at::native::check_foreach_api_restrictions(inputs[0]);
  for (const TensorList list : inputs) {
    if (list.size() != inputs[0].size()) return false;
  }
  const auto is_complex = [](const Scalar& number) { return number.isComplex(); };
  return c10::isFloatingType(inputs[0][0].scalar_type()) && std::none_of(numbers.begin(), numbers.end(), is_complex) &&
         (numbers.size() <= 1 || numbers.size() == inputs[0].size()) &&
         at::native::can_use_fast_route(inputs, numbers);
}

void ListOperation::run(TensorList out) const {
  static constexpr std::string_view functions[] = {"foreach_unary", "foreach_binary", "foreach_ternary"};
  const std::string_view type = metal_type(out[0].scalar_type());
  std::string name = "op::" + std::string(functor);
  if (bind) name = "bind_right<" + name + ", " + std::string(type) + ">";
  const Kernel& kernel = torch_metal::kernel(family, functions[inputs.size() - 1], {name, type});

  std::vector<TensorList> lists{out};
  lists.insert(lists.end(), inputs.begin(), inputs.end());
  for (const TensorChunk& chunk : tensor_chunks(lists)) {
    TensorScalars scalars{};
    for (size_t i = 0; i < chunk.indices.size() && !numbers.empty(); ++i) {
      const Scalar& number = numbers.size() == 1 ? numbers[0] : numbers[chunk.indices[i]];
      (bind ? scalars.of[i].operand : scalars.of[i].values[0]) = scalar_value(number);
    }
    launch_chunk(kernel, chunk, scalars);
  }
}

// How each form of the operators reads its arguments.

template <detail::OperatorName op>
ListOperation unary(TensorList self) {
  return {"unary", op.text, {self}};
}
template <detail::OperatorName op>
ListOperation with_scalar(TensorList self, const Scalar& scalar) {
  return {"binary", op.text, {self}, {scalar}, true};
}
template <detail::OperatorName op>
ListOperation with_scalars(TensorList self, ScalarList scalars) {
  return {"binary", op.text, {self}, scalars.vec(), true};
}
template <detail::OperatorName op>
ListOperation with_list(TensorList self, TensorList other) {
  return {"binary", op.text, {self, other}};
}
ListOperation add_list(TensorList self, TensorList other, const Scalar& alpha) {
  return {"binary", "add_scaled", {self, other}, {alpha}};
}
ListOperation sub_list(TensorList self, TensorList other, const Scalar& alpha) {
  return {"binary", "add_scaled", {self, other}, {-alpha}};
}
template <detail::OperatorName op>
ListOperation pointwise(TensorList self, TensorList a, TensorList b, const Scalar& value) {
  return {"pointwise", op.text, {self, a, b}, {value}};
}
template <detail::OperatorName op>
ListOperation pointwise_scalars(TensorList self, TensorList a, TensorList b, ScalarList values) {
  return {"pointwise", op.text, {self, a, b}, values.vec()};
}
template <detail::OperatorName op>
ListOperation pointwise_tensor(TensorList self, TensorList a, TensorList b, const Tensor& values) {
  return {"pointwise", op.text, {self, a, b}, at::native::convert_tensor_to_scalar_list(values, self.size())};
}
ListOperation lerp_list(TensorList self, TensorList end, TensorList weights) {
  return {"pointwise", "lerp", {self, end, weights}};
}
ListOperation lerp_scalar(TensorList self, TensorList end, const Scalar& weight) {
  return {"pointwise", "lerp_scalar", {self, end}, {weight}};
}
ListOperation lerp_scalars(TensorList self, TensorList end, ScalarList weights) {
  return {"pointwise", "lerp_scalar", {self, end}, weights.vec()};
}

/// A kernel for the dispatcher, with the signature of `slow`, PyTorch's tensor-by-tensor implementation.
template <auto slow, auto describe, class Signature = decltype(slow)>
struct Foreach;
template <auto slow, auto describe, class R, class... A>
struct Foreach<slow, describe, R (*)(A...)> {
  static R call(A... arguments) {
    const ListOperation operation = describe(arguments...);
    if (!operation.fits_one_launch()) return slow(arguments...);
    if constexpr (std::is_void_v<R>) {
      operation.run(operation.inputs[0]);
    } else {
      R out;
      for (const Tensor& tensor : operation.inputs[0]) out.push_back(at::empty_like(tensor));
      operation.run(out);
      return out;
    }
  }
};

void zero(TensorList self) {
  const ListOperation operation{"unary", "zero", {self}};
  if (operation.fits_one_launch()) return operation.run(self);
  at::native::foreach_tensor_zero_slow_(self);
}

void copy(TensorList self, TensorList source, bool non_blocking) {
  const ListOperation operation{"unary", "copy", {source}};
  if (at::native::can_use_fast_route({self, source}) && operation.fits_one_launch()) return operation.run(self);
  at::native::foreach_tensor_copy_list_kernel_slow_(self, source, non_blocking);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
// Both forms of an overload: new tensors, and in place.
#define FORMS(op, overload, slow, ...)                                                            \
  METAL_IMPL(m, "_foreach_" op overload, (Foreach<&at::native::slow, &__VA_ARGS__>::call));       \
  METAL_IMPL(m, "_foreach_" op "_" overload, (Foreach<&at::native::slow##_, &__VA_ARGS__>::call))

#define UNARY(name) FORMS(#name, "", foreach_tensor_##name##_slow, unary<#name>);
  UNARY(abs) UNARY(acos) UNARY(asin) UNARY(atan) UNARY(ceil) UNARY(cos) UNARY(cosh) UNARY(erf) UNARY(erfc) UNARY(exp)
  UNARY(expm1) UNARY(floor) UNARY(frac) UNARY(lgamma) UNARY(log) UNARY(log10) UNARY(log1p) UNARY(log2) UNARY(neg)
  UNARY(reciprocal) UNARY(round) UNARY(rsqrt) UNARY(sigmoid) UNARY(sign) UNARY(sin) UNARY(sinh) UNARY(sqrt) UNARY(tan)
  UNARY(tanh) UNARY(trunc)

#define BINARY_SCALARS(name, slow, functor)                                                      \
  FORMS(#name, ".Scalar", foreach_tensor_##slow##_scalar_kernel_slow, with_scalar<#functor>);    \
  FORMS(#name, ".ScalarList", foreach_tensor_##slow##_scalarlist_kernel_slow, with_scalars<#functor>);
#define BINARY(name, slow, functor)      \
  BINARY_SCALARS(name, slow, functor)    \
  FORMS(#name, ".List", foreach_tensor_##slow##_list_kernel_slow, with_list<#functor>);
  BINARY(mul, mul, mul)
  BINARY(div, div, div)
  BINARY(pow, pow, pow)
  BINARY(clamp_min, clamp_min, maximum)
  BINARY(clamp_max, clamp_max, minimum)
  BINARY(maximum, clamp_min, maximum)
  BINARY(minimum, clamp_max, minimum)
  BINARY_SCALARS(add, add, add)
  BINARY_SCALARS(sub, sub, sub)
  FORMS("add", ".List", foreach_tensor_add_list_kernel_slow, add_list);
  FORMS("sub", ".List", foreach_tensor_sub_list_kernel_slow, sub_list);

#define POINTWISE(name)                                                                                \
  FORMS(#name, ".Scalar", foreach_tensor_##name##_scalar_slow, pointwise<#name>);                      \
  FORMS(#name, ".ScalarList", foreach_tensor_##name##_scalarlist_slow, pointwise_scalars<#name>);      \
  FORMS(#name, ".Tensor", foreach_tensor_##name##_tensor_slow, pointwise_tensor<#name>);
  POINTWISE(addcmul)
  POINTWISE(addcdiv)
  FORMS("lerp", ".List", foreach_tensor_ternary_lerp_slow, lerp_list);
  FORMS("lerp", ".Scalar", foreach_tensor_lerp_list_kernel_slow, lerp_scalar);
  FORMS("lerp", ".ScalarList", foreach_tensor_lerp_scalarlist_kernel_slow, lerp_scalars);

  METAL_IMPL(m, "_foreach_zero_", zero);
  METAL_IMPL(m, "_foreach_copy_", copy);
}

}  // namespace torch_metal
