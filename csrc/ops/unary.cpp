// Unary operators. To add one: a functor in kernels/unary.metal and its name in a list here.
#include <ATen/NativeFunctions.h>
#include <ATen/native/TensorCompare.h>
#include <ATen/native/UnaryOps.h>

#include "ops/elementwise.h"
#include "ops/structured.h"

namespace torch_metal {

namespace {

// Structured operators X with X_stub and "X.out".
#define NUMBER_UNARY(_) _(neg) _(sgn)
#define ORDERED_UNARY(_) _(sign) _(signbit) _(isposinf) _(isneginf)
#define INTEGRAL_UNARY(_) _(bitwise_not)
#define FIELD_UNARY(_)                                                                                             \
  _(reciprocal) _(sqrt) _(rsqrt) _(exp) _(exp2) _(expm1) _(log) _(log2) _(log10) _(log1p) _(sin) _(cos) _(tan)     \
  _(asin) _(acos) _(atan) _(sinh) _(cosh) _(tanh) _(asinh) _(acosh) _(atanh) _(sigmoid) _(sinc)
#define REAL_UNARY(_)                                                                                              \
  _(ceil) _(floor) _(trunc) _(round) _(frac) _(erf) _(erfc) _(erfinv) _(lgamma) _(digamma) _(i0) _(special_i0e)    \
  _(special_i1) _(special_i1e) _(special_entr) _(special_erfcx) _(special_log_ndtr) _(special_bessel_j0)           \
  _(special_bessel_j1) _(special_bessel_y0) _(special_bessel_y1) _(special_modified_bessel_i0)                     \
  _(special_modified_bessel_i1) _(special_modified_bessel_k0) _(special_modified_bessel_k1)                        \
  _(special_scaled_modified_bessel_k0) _(special_scaled_modified_bessel_k1) _(special_spherical_bessel_j0)         \
  _(special_airy_ai) _(special_ndtri)

void angle_kernel(at::TensorIteratorBase& iter) { elementwise(iter, "unary", "angle"); }

void round_decimals_kernel(at::TensorIteratorBase& iter, int64_t decimals) {
  check_domain("round", Domain::real, iter.common_dtype());
  elementwise(iter, "unary", "round_decimals", {decimals});
}

/// The mantissa may be in the input's place, so it is written last.
void frexp_kernel(at::TensorIteratorBase& iter) {
  const auto compute = [&](int output, std::string_view op) {
    auto one = at::TensorIteratorConfig()
                   .check_all_same_dtype(false)
                   .add_output(iter.tensor(output))
                   .add_const_input(iter.tensor(2))
                   .build();
    elementwise_as_stored(one, "unary", op);
  };
  compute(1, "frexp_exponent");
  compute(0, "frexp_mantissa");
}

void polygamma_kernel(at::TensorIteratorBase& iter, int64_t order) {
  elementwise(iter, "unary", "polygamma", {order});
}

void logit_kernel(at::TensorIteratorBase& iter, const at::Scalar& eps) {
  check_domain("logit", Domain::real, iter.common_dtype());
  elementwise(iter, "unary", "logit", {eps});
}

/// Missing replacements are zero and the dtype's own limits; both parts of a complex number have them.
void nan_to_num_kernel(at::TensorIteratorBase& iter, std::optional<double> nan, std::optional<double> positive,
                       std::optional<double> negative) {
  check_domain("nan_to_num", Domain::field, iter.common_dtype());
  const auto dtype = c10::toRealValueType(iter.common_dtype());
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, dtype, "nan_to_num", [&] {
    using limits = std::numeric_limits<scalar_t>;
    elementwise(iter, "unary", "nan_to_num",
                {nan.value_or(0), positive.value_or(static_cast<double>(limits::max())),
                 negative.value_or(static_cast<double>(limits::lowest()))});
  });
}

}  // namespace

}  // namespace torch_metal

namespace at::native {
using namespace torch_metal;
#define STUB(domain, name) REGISTER_PRIVATEUSE1_DISPATCH(name##_stub, (&elementwise_stub<"unary", #name, domain>))
#define NUMBER_STUB(name) STUB(Domain::number, name)
#define ORDERED_STUB(name) STUB(Domain::ordered, name)
#define INTEGRAL_STUB(name) STUB(Domain::integral, name)
#define FIELD_STUB(name) STUB(Domain::field, name)
#define REAL_STUB(name) STUB(Domain::real, name)
NUMBER_UNARY(NUMBER_STUB)
ORDERED_UNARY(ORDERED_STUB)
INTEGRAL_UNARY(INTEGRAL_STUB)
FIELD_UNARY(FIELD_STUB)
REAL_UNARY(REAL_STUB)
STUB(Domain::signed_number, abs)
NUMBER_STUB(conj_physical)
NUMBER_STUB(logical_not)
REGISTER_PRIVATEUSE1_DISPATCH(angle_stub, &angle_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(round_decimals_stub, &round_decimals_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(frexp_stub, &frexp_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(polygamma_stub, &polygamma_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(logit_stub, &logit_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(nan_to_num_stub, &nan_to_num_kernel)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
#define OPERATOR(name) METAL_STRUCTURED(m, #name ".out", name##_out);
  NUMBER_UNARY(OPERATOR)
  ORDERED_UNARY(OPERATOR)
  INTEGRAL_UNARY(OPERATOR)
  FIELD_UNARY(OPERATOR)
  REAL_UNARY(OPERATOR)
  METAL_STRUCTURED(m, "round.decimals_out", round_decimals_out);
  METAL_STRUCTURED(m, "polygamma.out", polygamma_out);

  METAL_IMPL(m, "frexp.Tensor_out", at::native::frexp_out);
  METAL_IMPL(m, "abs.out", at::native::abs_out);
  METAL_IMPL(m, "angle", at::native::angle);
  METAL_IMPL(m, "angle.out", at::native::angle_out);
  METAL_IMPL(m, "conj_physical_", at::native::conj_physical_);
  METAL_IMPL(m, "conj_physical.out", at::native::conj_physical_out);
  METAL_IMPL(m, "logical_not.out", at::native::logical_not_out);
  METAL_IMPL(m, "logit", at::native::logit);
  METAL_IMPL(m, "logit.out", at::native::logit_out);
  METAL_IMPL(m, "logit_", at::native::logit_);
  METAL_IMPL(m, "mvlgamma.out", at::native::mvlgamma_out);
  METAL_IMPL(m, "nan_to_num.out", at::native::nan_to_num_out);
  METAL_IMPL(m, "isnan", at::native::isnan);
}
