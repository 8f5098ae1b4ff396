// Operators of three inputs, those that select or clamp, and pointwise losses.
#include <ATen/MemoryOverlap.h>
#include <ATen/NativeFunctions.h>
#include <ATen/native/BinaryOps.h>
#include <ATen/native/Lerp.h>
#include <ATen/native/PointwiseOps.h>
#include <ATen/native/TensorCompare.h>

#include "ops/elementwise.h"
#include "ops/structured.h"

namespace torch_metal {

namespace {

void addcmul_kernel(at::TensorIteratorBase& iter, const at::Scalar& value) {
  check_domain("addcmul", Domain::signed_number, iter.common_dtype());
  elementwise(iter, "pointwise", "addcmul", {value});
}

void addcdiv_kernel(at::TensorIteratorBase& iter, const at::Scalar& value) {
  check_domain("addcdiv", Domain::field, iter.common_dtype());
  elementwise(iter, "pointwise", "addcdiv", {value});
}

void lerp_scalar_kernel(at::TensorIteratorBase& iter, const at::Scalar& weight) {
  elementwise(iter, "pointwise", "lerp_scalar", {weight});
}

void clamp_kernel(at::TensorIteratorBase& iter, const at::Scalar& low, const at::Scalar& high) {
  check_domain("clamp", Domain::arithmetic, iter.common_dtype());
  elementwise(iter, "pointwise", "clamp", {low, high});
}

void clamp_min_kernel(at::TensorIteratorBase& iter, at::Scalar low) {
  check_domain("clamp_min", Domain::arithmetic, iter.common_dtype());
  elementwise(iter, "pointwise", "clamp_min", {low});
}

void clamp_max_kernel(at::TensorIteratorBase& iter, at::Scalar high) {
  check_domain("clamp_max", Domain::arithmetic, iter.common_dtype());
  elementwise(iter, "pointwise", "clamp_max", {high});
}

void select_kernel(at::TensorIterator& iter) { elementwise_as_stored(iter, "pointwise", "where"); }

void mse_backward_kernel(at::TensorIterator& iter, const at::Scalar& factor) {
  elementwise(iter, "pointwise", "mse_backward", {factor});
}

void smooth_l1_backward_kernel(at::TensorIterator& iter, const at::Scalar& factor, double beta) {
  elementwise(iter, "pointwise", "smooth_l1_backward", {factor, beta});
}

void huber_backward_kernel(at::TensorIterator& iter, const at::Scalar& factor, double delta) {
  elementwise(iter, "pointwise", "huber_backward", {factor, delta});
}

void check_mask(const at::Tensor& self, const at::Tensor& mask) {
  TORCH_CHECK(mask.scalar_type() == at::kBool, "masked_fill_ only supports boolean masks, but got mask with dtype ",
              mask.dtype());
  TORCH_CHECK(mask.device() == self.device(), "Expected all tensors to be on the same device, but found at least two "
              "devices, ", self.device(), " and ", mask.device(), "!");
  at::assert_no_internal_overlap(self);
  at::assert_no_partial_overlap(self, mask);
}

/// An iterator that writes `self` from inputs of any dtype, broadcast to its shape.
template <class... Inputs>
at::TensorIterator in_place(at::Tensor& self, const Inputs&... inputs) {
  at::TensorIteratorConfig config;
  config.set_check_mem_overlap(false).check_all_same_dtype(false).resize_outputs(false).add_output(self);
  (config.add_const_input(inputs), ...);
  return config.build();
}

/// Throws if `dtype` cannot hold the value: an imaginary part, too large a number.
void check_fits(const at::Scalar& value, at::ScalarType dtype) {
  AT_DISPATCH_V2(dtype, "masked_fill", AT_WRAP([&] { value.to<scalar_t>(); }), AT_EXPAND(AT_ALL_TYPES_AND_COMPLEX),
                 AT_EXPAND(AT_BAREBONES_UNSIGNED_TYPES), at::kBool, at::kHalf, at::kBFloat16, at::kComplexHalf);
}

at::Tensor& masked_fill_scalar(at::Tensor& self, const at::Tensor& mask, const at::Scalar& value) {
  check_mask(self, mask);
  check_fits(value, self.scalar_type());
  auto iter = in_place(self, mask, self);
  elementwise_as_stored(iter, "pointwise", "masked_fill", {value});
  return self;
}

at::Tensor& masked_fill_tensor(at::Tensor& self, const at::Tensor& mask, const at::Tensor& value) {
  TORCH_CHECK(value.dim() == 0, "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ",
              value.dim(), " dimension(s).");
  if (value.is_cpu()) return masked_fill_scalar(self, mask, value.item());
  check_mask(self, mask);
  TORCH_CHECK(!value.is_complex() || self.is_complex(), "value cannot be converted to type ", self.dtype(),
              " without overflow");
  const at::Tensor converted = value.to(self.scalar_type());
  auto iter = in_place(self, mask, converted, self);
  elementwise_as_stored(iter, "pointwise", "where");
  return self;
}

}  // namespace

}  // namespace torch_metal

namespace at::native {
using namespace torch_metal;
REGISTER_PRIVATEUSE1_DISPATCH(addcmul_stub, &addcmul_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(addcdiv_stub, &addcdiv_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(lerp_kernel_scalar_weight, &lerp_scalar_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(lerp_kernel_tensor_weight, (&elementwise_stub<"pointwise", "lerp">))
REGISTER_PRIVATEUSE1_DISPATCH(clamp_stub, (&elementwise_stub<"pointwise", "clamp_tensor", Domain::arithmetic>))
REGISTER_PRIVATEUSE1_DISPATCH(clamp_scalar_stub, &clamp_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(clamp_min_scalar_stub, &clamp_min_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(clamp_max_scalar_stub, &clamp_max_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(where_kernel, &select_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(mse_backward_stub, &mse_backward_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(smooth_l1_backward_stub, &smooth_l1_backward_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(huber_backward_stub, &huber_backward_kernel)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  using namespace torch_metal;
  METAL_STRUCTURED(m, "addcmul.out", addcmul_out);
  METAL_STRUCTURED(m, "addcdiv.out", addcdiv_out);
  METAL_STRUCTURED(m, "lerp.Scalar_out", lerp_Scalar);
  METAL_STRUCTURED(m, "lerp.Tensor_out", lerp_Tensor);
  METAL_STRUCTURED(m, "clamp.out", clamp_out);
  METAL_STRUCTURED(m, "clamp.Tensor_out", clamp_Tensor_out);
  METAL_STRUCTURED(m, "clamp_min.out", clamp_min_out);
  METAL_STRUCTURED(m, "clamp_min.Tensor_out", clamp_min_Tensor_out);
  METAL_STRUCTURED(m, "clamp_max.out", clamp_max_out);
  METAL_STRUCTURED(m, "clamp_max.Tensor_out", clamp_max_Tensor_out);

  METAL_IMPL_OVERLOAD(m, "where.self", where_self, at::native::where);
  METAL_IMPL(m, "where.self_out", at::native::where_self_out);
  METAL_IMPL(m, "masked_fill_.Scalar", masked_fill_scalar);
  METAL_IMPL(m, "masked_fill_.Tensor", masked_fill_tensor);

  METAL_IMPL(m, "mse_loss_backward", at::native::mse_loss_backward);
  METAL_IMPL(m, "mse_loss_backward.grad_input", at::native::mse_loss_backward_out);
  METAL_IMPL(m, "smooth_l1_loss_backward.grad_input", at::native::smooth_l1_loss_backward_out);
  METAL_IMPL(m, "huber_loss_backward.out", at::native::huber_loss_backward_out);
}
