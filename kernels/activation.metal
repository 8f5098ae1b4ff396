// Activations and their gradients. In a gradient the operands are in the order of PyTorch's stub, named in each group.
#include "elementwise.h"
#include "scalar_math.h"

namespace op {

constant constexpr float kSqrt2OverPi = M_2_SQRTPI_F * M_SQRT1_2_F;
constant constexpr float kGeluCubic = 0.044715f;

/// Cumulative distribution and density of the standard normal distribution.
inline float normal_cdf(float x) { return 0.5f * (1 + c10::metal::erf(x * M_SQRT1_2_F)); }
inline float normal_pdf(float x) { return 0.5f * M_2_SQRTPI_F * M_SQRT1_2_F * math::exp(-0.5f * x * x); }

/// 0.5 x (1 + tanh(u)), where (1 + tanh(u)) / 2 is the logistic function of 2 u.
inline float gelu_tanh_of(float x) {
  return x / (1 + math::exp(-2 * kSqrt2OverPi * (x + kGeluCubic * x * x * x)));
}
inline float gelu_slope(float x) { return normal_cdf(x) + x * normal_pdf(x); }
inline float gelu_tanh_slope(float x) {
  const float t = math::tanh(kSqrt2OverPi * (x + kGeluCubic * x * x * x));
  const float inner = kSqrt2OverPi * (1 + 3 * kGeluCubic * x * x);
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * inner;
}

/// log(1 + exp(x)) without overflow.
inline float log1p_exp(float x) { return metal::max(x, 0.0f) + math::log1p(math::exp(-metal::fabs(x))); }

inline float elu_of(float x, float alpha, float scale, float input_scale) {
  return x < 0 ? math::expm1(x * input_scale) * alpha * scale : x * scale;
}
inline float elu_slope(float x, float alpha, float scale, float input_scale) {
  return x <= 0 ? input_scale * alpha * scale * math::exp(x * input_scale) : scale;
}
inline float elu_slope_of_result(float y, float alpha, float scale, float input_scale) {
  return y <= 0 ? input_scale * (y + alpha * scale) : scale;
}

inline float softplus_of(float x, float beta, float threshold) {
  return x * beta > threshold ? x : math::log1p(math::exp(x * beta)) / beta;
}
inline float softplus_slope(float x, float beta, float threshold) {
  return x * beta > threshold ? 1 : math::sigmoid(x * beta);
}

inline float silu_slope(float x) {
  const float s = math::sigmoid(x);
  return s * (1 + x * (1 - s));
}
inline float mish_slope(float x) {
  const float t = math::tanh(log1p_exp(x));
  return t + x * math::sigmoid(x) * (1 - t * t);
}

inline float softshrink_of(float x, float lambda) {
  return x > lambda ? x - lambda : (x < -lambda ? x + lambda : x * 0);
}
inline float relu6(float x) { return x < 0 ? 0 : (x > 6 ? 6 : x); }
inline float hardswish_slope(float x) { return x <= -3 ? 0 : (x < 3 ? x / 3 + 0.5f : 1); }

inline float logit_slope(float x, float eps) {
  if (eps < 0) return x < 0 || x > 1 ? NAN : 1 / (x * (1 - x));
  return x < eps || x > 1 - eps ? 0 : 1 / (x * (1 - x));
}

template <class T>
inline T one_minus(T x) {
  return 1 - x;
}
inline float2 one_minus(float2 x) { return float2(1 - x.x, -x.y); }

UNARY(gelu, x * normal_cdf(x))
UNARY(gelu_tanh, gelu_tanh_of(x))
UNARY(silu, math::div(x, c10::metal::cast_to<T>(1.0f) + math::exp(-x)))
UNARY(mish, x * math::tanh(log1p_exp(x)))
UNARY(elu, elu_of(x, arg<float>(s, 0), arg<float>(s, 1), arg<float>(s, 2)))
UNARY(leaky_relu, x > 0 ? x : x * arg<T>(s, 0))
UNARY(softplus, softplus_of(x, arg<float>(s, 0), arg<float>(s, 1)))
UNARY(hardshrink, x >= -arg<T>(s, 0) && x <= arg<T>(s, 0) ? 0 : x)
UNARY(softshrink, softshrink_of(x, arg<float>(s, 0)))
UNARY(hardsigmoid, relu6(x + 3) / 6)
UNARY(hardswish, x * relu6(x + 3) / 6)
UNARY(log_sigmoid, -log1p_exp(-x))
BINARY(threshold, x <= arg<T>(s, 0) ? arg<U>(s, 1) : y)
BINARY(glu, x * math::sigmoid(y))
BINARY(prelu, x > 0 ? x : y * x)

// x is the gradient of the output, y the input (for elu_result, sigmoid and tanh the output).
BINARY(gelu_backward, x * gelu_slope(y))
BINARY(gelu_tanh_backward, x * gelu_tanh_slope(y))
BINARY(silu_backward, x * silu_slope(y))
BINARY(mish_backward, x * mish_slope(y))
BINARY(elu_backward, x * elu_slope(y, arg<float>(s, 0), arg<float>(s, 1), arg<float>(s, 2)))
BINARY(elu_result_backward, x * elu_slope_of_result(y, arg<float>(s, 0), arg<float>(s, 1), arg<float>(s, 2)))
BINARY(softplus_backward, x * softplus_slope(y, arg<float>(s, 0), arg<float>(s, 1)))
BINARY(shrink_backward, y >= -arg<U>(s, 0) && y <= arg<U>(s, 0) ? 0 : x)
BINARY(hardsigmoid_backward, y > -3 && y < 3 ? x / 6 : 0)
BINARY(hardswish_backward, x * hardswish_slope(y))
BINARY(hardtanh_backward, y <= arg<U>(s, 0) || y >= arg<U>(s, 1) ? 0 : x)
BINARY(log_sigmoid_backward, x * math::sigmoid(-y))
BINARY(sigmoid_backward, math::mul(x, math::conj(math::mul(one_minus(y), y))))
BINARY(tanh_backward, math::mul(x, math::conj(one_minus(math::mul(y, y)))))
BINARY(logit_backward, x * logit_slope(y, arg<float>(s, 0)))

// x is the input (or the output), y the gradient.
BINARY(leaky_relu_backward, x > 0 ? y : y * arg<U>(s, 0))

// x is the sigmoid of the gate, y the gated half, z the gradient.
TERNARY(glu_backward, one_minus(x) * x * y * z)

// x input, y weight, z gradient: what goes to the input, and to the weight.
TERNARY(prelu_backward_input, x > 0 ? z : y * z)
TERNARY(prelu_backward_weight, x > 0 ? 0 : x * z)

}  // namespace op
