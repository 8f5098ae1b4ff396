// Binary operators. To add one: a functor in kernels/binary.metal and a line in the table here.
#include <ATen/NativeFunctions.h>
#include <ATen/native/BinaryOps.h>
#include <ATen/native/Pow.h>
#include <ATen/native/TensorFactories.h>

#include "ops/elementwise.h"
#include "ops/structured.h"

namespace torch_metal {

namespace {

// _(functor and stub, structured kernel, "overload", domain)
#define STRUCTURED_BINARY(_)                                                                                \
  _(mul, mul_out, "mul.out", number)                                                                        \
  _(atan2, atan2_out, "atan2.out", real)                                                                    \
  _(hypot, hypot_out, "hypot.out", real)                                                                    \
  _(copysign, copysign_out, "copysign.out", real)                                                           \
  _(heaviside, heaviside_out, "heaviside.out", ordered)                                                     \
  _(maximum, maximum_out, "maximum.out", ordered)                                                           \
  _(minimum, minimum_out, "minimum.out", ordered)                                                           \
  _(fmax, fmax_out, "fmax.out", ordered)                                                                    \
  _(fmin, fmin_out, "fmin.out", ordered)                                                                    \
  _(remainder, remainder_out, "remainder.Tensor_out", arithmetic)                                           \
  _(fmod, fmod_out, "fmod.Tensor_out", arithmetic)                                                          \
  _(bitwise_and, bitwise_and_out, "bitwise_and.Tensor_out", integral)                                       \
  _(bitwise_or, bitwise_or_out, "bitwise_or.Tensor_out", integral)                                          \
  _(bitwise_xor, bitwise_xor_out, "bitwise_xor.Tensor_out", integral)                                       \
  _(lshift, bitwise_left_shift_out, "bitwise_left_shift.Tensor_out", integer)                               \
  _(rshift, bitwise_right_shift_out, "bitwise_right_shift.Tensor_out", integer)                             \
  _(gcd, gcd_out, "gcd.out", integer)                                                                       \
  _(lcm, lcm_out, "lcm.out", integer)                                                                       \
  _(eq, eq_Tensor_out, "eq.Tensor_out", number)                                                             \
  _(ne, ne_Tensor_out, "ne.Tensor_out", number)                                                             \
  _(lt, lt_Tensor_out, "lt.Tensor_out", ordered)                                                            \
  _(le, le_Tensor_out, "le.Tensor_out", ordered)                                                            \
  _(gt, gt_Tensor_out, "gt.Tensor_out", ordered)                                                            \
  _(ge, ge_Tensor_out, "ge.Tensor_out", ordered)                                                            \
  _(logaddexp, logaddexp_out, "logaddexp.out", field)                                                       \
  _(logaddexp2, logaddexp2_out, "logaddexp2.out", real)                                                     \
  _(xlogy, xlogy_out, "xlogy.OutTensor", real)                                                              \
  _(xlog1py, special_xlog1py_out, "special_xlog1py.out", real)                                              \
  _(igamma, igamma_out, "igamma.out", real)                                                                 \
  _(igammac, igammac_out, "igammac.out", real)                                                              \
  _(zeta, special_zeta_out, "special_zeta.out", real)                                                       \
  _(chebyshev_polynomial_t, special_chebyshev_polynomial_t_out, "special_chebyshev_polynomial_t.out", real) \
  _(chebyshev_polynomial_u, special_chebyshev_polynomial_u_out, "special_chebyshev_polynomial_u.out", real) \
  _(chebyshev_polynomial_v, special_chebyshev_polynomial_v_out, "special_chebyshev_polynomial_v.out", real) \
  _(chebyshev_polynomial_w, special_chebyshev_polynomial_w_out, "special_chebyshev_polynomial_w.out", real) \
  _(shifted_chebyshev_polynomial_t, special_shifted_chebyshev_polynomial_t_out,                             \
    "special_shifted_chebyshev_polynomial_t.out", real)                                                     \
  _(shifted_chebyshev_polynomial_u, special_shifted_chebyshev_polynomial_u_out,                             \
    "special_shifted_chebyshev_polynomial_u.out", real)                                                     \
  _(shifted_chebyshev_polynomial_v, special_shifted_chebyshev_polynomial_v_out,                             \
    "special_shifted_chebyshev_polynomial_v.out", real)                                                     \
  _(shifted_chebyshev_polynomial_w, special_shifted_chebyshev_polynomial_w_out,                             \
    "special_shifted_chebyshev_polynomial_w.out", real)                                                     \
  _(hermite_polynomial_h, special_hermite_polynomial_h_out, "special_hermite_polynomial_h.out", real)       \
  _(hermite_polynomial_he, special_hermite_polynomial_he_out, "special_hermite_polynomial_he.out", real)    \
  _(laguerre_polynomial_l, special_laguerre_polynomial_l_out, "special_laguerre_polynomial_l.out", real)    \
  _(legendre_polynomial_p, special_legendre_polynomial_p_out, "special_legendre_polynomial_p.out", real)    \
  _(mse, mse_loss_out, "mse_loss.out", real)

void add_kernel(at::TensorIteratorBase& iter, const at::Scalar& alpha) {
  if (alpha.equal(1)) return elementwise(iter, "binary", "add");
  elementwise(iter, "binary", "add_scaled", {alpha});
}

void sub_kernel(at::TensorIteratorBase& iter, const at::Scalar& alpha) {
  if (alpha.equal(1)) return elementwise(iter, "binary", "sub");
  elementwise(iter, "binary", "add_scaled", {-alpha});
}

/// Exponents with a cheaper and more exact form than the logarithm.
const char* special_power(const at::Scalar& exponent) {
  if (exponent.equal(2)) return "square";
  if (exponent.equal(3)) return "cube";
  if (exponent.equal(0.5)) return "sqrt";
  if (exponent.equal(-0.5)) return "rsqrt";
  if (exponent.equal(-1)) return "reciprocal";
  if (exponent.equal(-2)) return "reciprocal_square";
  return nullptr;
}

void pow_scalar_kernel(at::TensorIteratorBase& iter, const at::Scalar& exponent) {
  const auto dtype = iter.common_dtype();
  const char* special = c10::isIntegralType(dtype, true) ? nullptr : special_power(exponent);
  if (special) return elementwise(iter, "unary", special);
  elementwise(iter, "binary", "pow_scalar", {exponent});
}

void nextafter_kernel(at::TensorIteratorBase& iter) {
  const auto dtype = iter.common_dtype();
  check_domain("nextafter", Domain::real, dtype);
  elementwise(iter, "binary", "nextafter<" + std::string(metal_type(dtype)) + ">");
}

void add_clamp_kernel(at::TensorIterator& iter, const at::Scalar& alpha, const at::Scalar& low,
                      const at::Scalar& high) {
  elementwise(iter, "binary", "add_clamped", {alpha, low, high});
}

void smooth_l1_kernel(at::TensorIteratorBase& iter, double beta) { elementwise(iter, "binary", "smooth_l1", {beta}); }

void huber_kernel(at::TensorIterator& iter, double delta) { elementwise(iter, "binary", "huber", {delta}); }

}  // namespace

}  // namespace torch_metal

namespace at::native {
using namespace torch_metal;
#define STUB(name, kernel, overload, domain)                                                                \
  REGISTER_PRIVATEUSE1_DISPATCH(name##_stub, (&elementwise_stub<"binary", #name, Domain::domain>))
STRUCTURED_BINARY(STUB)
REGISTER_PRIVATEUSE1_DISPATCH(add_stub, &add_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(sub_stub, &sub_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(add_clamp_stub, &add_clamp_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(div_true_stub, (&elementwise_stub<"binary", "div", Domain::field>))
REGISTER_PRIVATEUSE1_DISPATCH(div_floor_stub, (&elementwise_stub<"binary", "div_floor", Domain::arithmetic>))
REGISTER_PRIVATEUSE1_DISPATCH(div_trunc_stub, (&elementwise_stub<"binary", "div_trunc", Domain::arithmetic>))
REGISTER_PRIVATEUSE1_DISPATCH(pow_tensor_tensor_stub, (&elementwise_stub<"binary", "pow", Domain::signed_number>))
REGISTER_PRIVATEUSE1_DISPATCH(pow_tensor_scalar_stub, &pow_scalar_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(nextafter_stub, &nextafter_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(smooth_l1_stub, &smooth_l1_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(huber_stub, &huber_kernel)
#define ITERATOR_STUB(name)                                                                                 \
  REGISTER_PRIVATEUSE1_DISPATCH(name##_stub, (&elementwise_stub<"binary", #name, Domain::number, TensorIterator>))
ITERATOR_STUB(logical_and)
ITERATOR_STUB(logical_or)
ITERATOR_STUB(logical_xor)
ITERATOR_STUB(complex)
ITERATOR_STUB(polar)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
#define OPERATOR(name, kernel, overload, domain) METAL_STRUCTURED(m, overload, kernel);
  STRUCTURED_BINARY(OPERATOR)
  METAL_STRUCTURED(m, "add.out", ufunc_add_CPU);
  METAL_STRUCTURED(m, "sub.out", sub_out);
  METAL_STRUCTURED(m, "div.out", div_out);
  METAL_STRUCTURED(m, "div.out_mode", div_out_mode);
  METAL_STRUCTURED(m, "pow.Tensor_Tensor_out", pow_Tensor_Tensor_out);
  METAL_STRUCTURED(m, "pow.Tensor_Scalar_out", pow_Tensor_Scalar_out);
  METAL_STRUCTURED(m, "pow.Scalar_out", pow_Scalar_out);
  METAL_STRUCTURED(m, "nextafter.out", nextafter_out);
  METAL_STRUCTURED(m, "smooth_l1_loss.out", smooth_l1_loss_out);
  // Their meta functions ask for the unreduced output first: a new one takes that silently, a given one warns.
  METAL_STRUCTURED_FUNCTIONAL(m, "mse_loss", mse_loss_out);
  METAL_STRUCTURED_FUNCTIONAL(m, "smooth_l1_loss", smooth_l1_loss_out);
#define COMPARISON(name) METAL_STRUCTURED(m, #name ".Scalar_out", name##_Scalar_out);
  COMPARISON(eq) COMPARISON(ne) COMPARISON(lt) COMPARISON(le) COMPARISON(gt) COMPARISON(ge)

  METAL_IMPL(m, "logical_and.out", at::native::logical_and_out);
  METAL_IMPL(m, "logical_or.out", at::native::logical_or_out);
  METAL_IMPL(m, "logical_xor.out", at::native::logical_xor_out);
  METAL_IMPL_OVERLOAD(m, "floor_divide", floor_divide, at::native::floor_divide);
  METAL_IMPL(m, "floor_divide.out", at::native::floor_divide_out);
  METAL_IMPL_OVERLOAD(m, "floor_divide_.Tensor", floor_divide__Tensor, at::native::floor_divide_);
  METAL_IMPL_OVERLOAD(m, "_add_relu.Tensor", _add_relu_Tensor, at::native::add_relu);
  METAL_IMPL_OVERLOAD(m, "_add_relu.Scalar", _add_relu_Scalar, at::native::add_relu);
  METAL_IMPL_OVERLOAD(m, "_add_relu_.Tensor", _add_relu__Tensor, at::native::add_relu_);
  METAL_IMPL_OVERLOAD(m, "_add_relu_.Scalar", _add_relu__Scalar, at::native::add_relu_);
  METAL_IMPL(m, "_add_relu.out", at::native::add_relu_out);
  METAL_IMPL_OVERLOAD(m, "remainder.Scalar_Tensor", remainder_Scalar_Tensor, at::native::remainder);
  METAL_IMPL_OVERLOAD(m, "rsub.Tensor", rsub_Tensor, at::native::rsub);
#define SHIFT(name)                                                                     \
  METAL_IMPL_OVERLOAD(m, "__" #name "__.Scalar", __##name##___Scalar, at::native::__##name##__); \
  METAL_IMPL_OVERLOAD(m, "__" #name "__.Tensor", __##name##___Tensor, at::native::__##name##__);
  SHIFT(lshift) SHIFT(ilshift) SHIFT(rshift) SHIFT(irshift)
  METAL_IMPL(m, "huber_loss", at::native::huber_loss);
  METAL_IMPL(m, "huber_loss.out", at::native::huber_loss_out);
  METAL_IMPL(m, "complex.out", at::native::complex_out);
  METAL_IMPL(m, "polar.out", at::native::polar_out);
}
