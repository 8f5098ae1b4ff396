// Values rounded to those of a quantised type, for training that is aware of quantisation.
//
// x is rounded to q = rint(x / scale), kept within low and high, and becomes q * scale again. The zero point shifts the
// bounds: low is quant_min - zero_point. Where it is a float, it is added before rounding.
#include "elementwise.h"

namespace {

struct Quantum {
  float value;  ///< within bounds
  bool inside;  ///< before it was kept there
};

/// NaN counts as below the bounds.
inline Quantum quantum(float q, float low, float high) {
  return {q > high ? high : q >= low ? q : low, q >= low && q <= high};
}
inline Quantum quantize(float x, float scale, float low, float high) {
  return quantum(metal::rint(x * (1 / scale)), low, high);
}

/// By channel, with the zero point as an integer and as a float.
inline Quantum quantize_shifted(float x, float scale, int zero, float low, float high) {
  return quantum(metal::rint(x * (1 / scale)) + zero, low, high);
}
inline Quantum quantize_shifted(float x, float scale, float zero, float low, float high) {
  return quantum(metal::rint(zero + x * (1 / scale)), low, high);
}

}  // namespace

namespace op {

// By tensor: the numbers are scale, low, high.
UNARY(fake_quantize, quantize(x, arg<float>(s, 0), arg<float>(s, 1), arg<float>(s, 2)).value * arg<float>(s, 0))
UNARY(fake_quantize_mask, quantize(x, arg<float>(s, 0), arg<float>(s, 1), arg<float>(s, 2)).inside)

// By channel: x, y its scale, z its zero point; the numbers are quant_min and quant_max.
TERNARY(fake_quantize_channels, (quantize_shifted(x, y, z, arg<float>(s, 0), arg<float>(s, 1)).value - z) * y)
TERNARY(fake_quantize_channels_mask, quantize_shifted(x, y, z, arg<float>(s, 0), arg<float>(s, 1)).inside)

}  // namespace op
