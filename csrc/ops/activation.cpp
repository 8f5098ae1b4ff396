// Activations and their gradients.
#include <ATen/NativeFunctions.h>
#include <ATen/native/Activation.h>
#include <ATen/native/BinaryOps.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/mul.h>

#include "ops/elementwise.h"
#include "ops/structured.h"

namespace torch_metal {

namespace {

/// For stubs whose further arguments are numbers in the order in which the functor takes them.
template <detail::OperatorName op, class Iterator, class... Numbers>
void activation(Iterator& iter, Numbers... numbers) {
  check_domain(op.text, Domain::real, iter.common_dtype());
  elementwise(iter, "activation", op.text, {at::Scalar(numbers)...});
}

void silu_kernel(at::TensorIteratorBase& iter) {
  check_domain("silu", Domain::field, iter.common_dtype());
  elementwise(iter, "activation", "silu");
}

void elu_backward_kernel(at::TensorIteratorBase& iter, const at::Scalar& alpha, const at::Scalar& scale,
                         const at::Scalar& input_scale, bool is_result) {
  check_domain("elu_backward", Domain::real, iter.common_dtype());
  elementwise(iter, "activation", is_result ? "elu_result_backward" : "elu_backward", {alpha, scale, input_scale});
}

void threshold_kernel(at::TensorIteratorBase& iter, const at::Scalar& threshold, const at::Scalar& value) {
  check_domain("threshold", Domain::arithmetic, iter.common_dtype());
  elementwise(iter, "activation", "threshold", {threshold, value});
}

bool is_tanh(std::string_view approximate) {
  return at::native::get_gelutype_enum(approximate) == at::native::GeluType::Tanh;
}

struct Gelu : at::meta::structured_gelu {
  void impl(const at::Tensor& self, std::string_view approximate, const at::Tensor& out) {
    check_domain("gelu", Domain::real, self.scalar_type());
    elementwise(*this, "activation", is_tanh(approximate) ? "gelu_tanh" : "gelu");
  }
};

struct GeluBackward : at::meta::structured_gelu_backward {
  void impl(const at::Tensor& grad, const at::Tensor& self, std::string_view approximate,
            const at::Tensor& grad_input) {
    check_domain("gelu_backward", Domain::real, self.scalar_type());
    elementwise(*this, "activation", is_tanh(approximate) ? "gelu_tanh_backward" : "gelu_backward");
  }
};

/// The second result is a buffer of the CPU's gradient formula, which ours does without.
std::tuple<at::Tensor&, at::Tensor&> log_sigmoid_forward_out(const at::Tensor& self, at::Tensor& output,
                                                             at::Tensor& buffer) {
  auto iter = at::TensorIterator::unary_op(output, self);
  activation<"log_sigmoid">(iter);
  return {output, buffer};
}

std::tuple<at::Tensor, at::Tensor> log_sigmoid_forward(const at::Tensor& self) {
  at::Tensor output = at::empty_like(self), buffer = at::empty({0}, self.options());
  log_sigmoid_forward_out(self, output, buffer);
  return {output, buffer};
}

at::Tensor& log_sigmoid_backward_out(const at::Tensor& grad, const at::Tensor& self, const at::Tensor&,
                                     at::Tensor& grad_input) {
  auto iter = at::TensorIterator::borrowing_binary_op(grad_input, grad, self);
  activation<"log_sigmoid_backward">(iter);
  return grad_input;
}

at::Tensor log_sigmoid_backward(const at::Tensor& grad, const at::Tensor& self, const at::Tensor& buffer) {
  at::Tensor grad_input = at::empty_like(self);
  return log_sigmoid_backward_out(grad, self, buffer, grad_input);
}

/// PyTorch's own impl iterates over halves that are gone by then: it only needs their addresses.
struct Glu : at::meta::structured_glu {
  void impl(const at::Tensor& self, int64_t dim, const at::Tensor& out) {
    const int64_t half = self.size(dim) / 2;
    const at::Tensor first = self.narrow(dim, 0, half), second = self.narrow(dim, half, half);
    auto iter = at::TensorIterator::borrowing_binary_op(out, first, second);
    activation<"glu">(iter);
  }
};

std::tuple<at::Tensor, at::Tensor> prelu_backward(const at::Tensor& grad, const at::Tensor& self,
                                                  const at::Tensor& weight) {
  at::Tensor grad_self = at::empty_like(self), grad_weight = at::empty_like(self);
  const auto compute = [&](const at::Tensor& result, std::string_view op) {
    auto iter = at::TensorIteratorConfig()
                    .add_output(result)
                    .add_const_input(self)
                    .add_const_input(weight)
                    .add_const_input(grad)
                    .build();
    elementwise(iter, "activation", op);
  };
  compute(grad_self, "prelu_backward_input");
  compute(grad_weight, "prelu_backward_weight");
  return {grad_self, grad_weight};
}

/// What is not positive gets a random slope, which `noise` keeps for the gradient; the mean slope when not training.
at::Tensor& rrelu_with_noise_out(const at::Tensor& self, at::Tensor& noise, const at::Scalar& lower,
                                 const at::Scalar& upper, bool training, std::optional<at::Generator> generator,
                                 at::Tensor& out) {
  TORCH_CHECK(self.sizes() == noise.sizes(),
              "noise tensor shape must match self tensor shape. Got self.shape = ", self.sizes(),
              " noise.shape = ", noise.sizes());
  if (!training) return at::leaky_relu_out(out, self, (lower.toDouble() + upper.toDouble()) / 2);
  const at::Tensor slopes = at::empty_like(self).uniform_(lower.toDouble(), upper.toDouble(), std::move(generator));
  noise.copy_(slopes.masked_fill_(self.le(0).logical_not_(), 1));
  return at::mul_out(out, self, slopes);
}

at::Tensor rrelu_with_noise(const at::Tensor& self, at::Tensor& noise, const at::Scalar& lower,
                            const at::Scalar& upper, bool training, std::optional<at::Generator> generator) {
  at::Tensor out = at::empty_like(self);
  return rrelu_with_noise_out(self, noise, lower, upper, training, std::move(generator), out);
}

at::Tensor& rrelu_with_noise_in_place(at::Tensor& self, at::Tensor& noise, const at::Scalar& lower,
                                      const at::Scalar& upper, bool training, std::optional<at::Generator> generator) {
  return rrelu_with_noise_out(self, noise, lower, upper, training, std::move(generator), self);
}

/// The tangent of (a, b) -> a * sigmoid(b), whose value is `result`.
void glu_jvp_kernel(at::TensorIteratorBase& iter) {
  check_domain("glu_jvp", Domain::real, iter.common_dtype());
  const at::Tensor &result = iter.tensor(1), &b = iter.tensor(2), &da = iter.tensor(3), &db = iter.tensor(4);
  const at::Tensor gate = b.sigmoid();
  iter.tensor(0).copy_(at::addcmul(da * gate, result, db - gate * db));
}

}  // namespace

}  // namespace torch_metal

namespace at::native {
using namespace torch_metal;
#define STUB(stub, ...) REGISTER_PRIVATEUSE1_DISPATCH(stub, (&activation<__VA_ARGS__>))
REGISTER_PRIVATEUSE1_DISPATCH(silu_stub, &silu_kernel)
STUB(silu_backward_stub, "silu_backward", TensorIteratorBase)
STUB(mish_stub, "mish", TensorIteratorBase)
STUB(mish_backward_stub, "mish_backward", TensorIterator)
STUB(elu_stub, "elu", TensorIteratorBase, const Scalar&, const Scalar&, const Scalar&)
REGISTER_PRIVATEUSE1_DISPATCH(elu_backward_stub, &elu_backward_kernel)
STUB(leaky_relu_stub, "leaky_relu", TensorIteratorBase, const Scalar&)
STUB(leaky_relu_backward_stub, "leaky_relu_backward", TensorIteratorBase, const Scalar&)
STUB(softplus_stub, "softplus", TensorIteratorBase, const Scalar&, const Scalar&)
STUB(softplus_backward_stub, "softplus_backward", TensorIteratorBase, const Scalar&, const Scalar&)
STUB(hardshrink_stub, "hardshrink", TensorIteratorBase, const Scalar&)
STUB(softshrink_stub, "softshrink", TensorIteratorBase, const Scalar&)
STUB(shrink_backward_stub, "shrink_backward", TensorIteratorBase, const Scalar&)
STUB(hardsigmoid_stub, "hardsigmoid", TensorIteratorBase)
STUB(hardsigmoid_backward_stub, "hardsigmoid_backward", TensorIteratorBase)
STUB(hardswish_stub, "hardswish", TensorIterator)
STUB(hardswish_backward_stub, "hardswish_backward", TensorIterator)
STUB(hardtanh_backward_stub, "hardtanh_backward", TensorIterator, const Scalar&, const Scalar&)
STUB(glu_backward_stub, "glu_backward", TensorIterator)
STUB(prelu_stub, "prelu", TensorIterator)
STUB(logit_backward_stub, "logit_backward", TensorIteratorBase, const Scalar&)
#undef STUB
#define FIELD_STUB(name) \
  REGISTER_PRIVATEUSE1_DISPATCH(name##_stub, (&elementwise_stub<"activation", #name, Domain::field>))
FIELD_STUB(sigmoid_backward)
FIELD_STUB(tanh_backward)
REGISTER_PRIVATEUSE1_DISPATCH(glu_jvp_stub, &glu_jvp_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(threshold_stub, &threshold_kernel)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  using namespace torch_metal;
  METAL_STRUCTURED_CLASS(m, "gelu.out", Gelu);
  METAL_STRUCTURED_CLASS(m, "gelu_backward.grad_input", GeluBackward);
  METAL_STRUCTURED(m, "silu.out", silu_out);
  METAL_STRUCTURED(m, "silu_backward.grad_input", silu_backward_out);
  METAL_STRUCTURED_FUNCTIONAL(m, "silu_backward", silu_backward_out);
  METAL_STRUCTURED(m, "mish.out", mish_out);
  METAL_STRUCTURED(m, "elu.out", elu_out);
  METAL_STRUCTURED(m, "elu_backward.grad_input", elu_backward_out);
  METAL_STRUCTURED(m, "leaky_relu.out", leaky_relu_out);
  METAL_STRUCTURED(m, "leaky_relu_backward.grad_input", leaky_relu_backward_out);
  METAL_STRUCTURED(m, "softplus.out", softplus_out);
  METAL_STRUCTURED(m, "softplus_backward.grad_input", softplus_backward_out);
  METAL_STRUCTURED(m, "hardshrink.out", hardshrink_out);
  METAL_STRUCTURED(m, "hardshrink_backward.grad_input", hardshrink_backward_out);
  METAL_STRUCTURED(m, "softshrink.out", softshrink_out);
  METAL_STRUCTURED(m, "softshrink_backward.grad_input", softshrink_backward_out);
  METAL_STRUCTURED(m, "hardsigmoid.out", hardsigmoid_out);
  METAL_STRUCTURED(m, "hardsigmoid_backward.grad_input", hardsigmoid_backward_out);
  METAL_STRUCTURED(m, "threshold.out", threshold_out);
  METAL_STRUCTURED(m, "threshold_backward.grad_input", threshold_backward_out);
  METAL_STRUCTURED_CLASS(m, "glu.out", Glu);
  METAL_STRUCTURED(m, "sigmoid_backward.grad_input", sigmoid_backward_out);
  METAL_STRUCTURED(m, "tanh_backward.grad_input", tanh_backward_out);
  METAL_STRUCTURED(m, "logit_backward.grad_input", logit_backward_out);

  METAL_IMPL(m, "relu", at::native::relu);
  METAL_IMPL(m, "relu_", at::native::relu_);
  METAL_IMPL(m, "hardtanh", at::native::hardtanh);
  METAL_IMPL(m, "hardtanh_", at::native::hardtanh_);
  METAL_IMPL(m, "hardtanh.out", at::native::hardtanh_out);
  METAL_IMPL(m, "hardtanh_backward", at::native::hardtanh_backward);
  METAL_IMPL(m, "hardtanh_backward.grad_input", at::native::hardtanh_backward_out);
  METAL_IMPL(m, "hardswish", at::native::hardswish);
  METAL_IMPL(m, "hardswish_", at::native::hardswish_);
  METAL_IMPL(m, "hardswish.out", at::native::hardswish_out);
  METAL_IMPL(m, "hardswish_backward", at::native::hardswish_backward);
  METAL_IMPL(m, "mish_backward", at::native::mish_backward);
  METAL_IMPL(m, "glu_backward", at::native::glu_backward_cpu);
  METAL_IMPL(m, "glu_backward.grad_input", at::native::glu_backward_cpu_out);
  METAL_IMPL(m, "glu_jvp", at::native::glu_jvp);
  METAL_IMPL(m, "glu_backward_jvp", at::native::glu_backward_jvp);
  METAL_IMPL(m, "log_sigmoid_forward", log_sigmoid_forward);
  METAL_IMPL(m, "log_sigmoid_forward.output", log_sigmoid_forward_out);
  METAL_IMPL(m, "log_sigmoid_backward", log_sigmoid_backward);
  METAL_IMPL(m, "log_sigmoid_backward.grad_input", log_sigmoid_backward_out);
  METAL_IMPL(m, "rrelu_with_noise", rrelu_with_noise);
  METAL_IMPL(m, "rrelu_with_noise_", rrelu_with_noise_in_place);
  METAL_IMPL(m, "rrelu_with_noise.out", rrelu_with_noise_out);
  METAL_IMPL(m, "_prelu_kernel", at::native::_prelu_kernel);
  METAL_IMPL(m, "_prelu_kernel_backward", prelu_backward);
}
