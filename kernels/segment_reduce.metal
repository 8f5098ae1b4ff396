// Reductions over segments of a dimension, and their gradients. One thread an inner index (x) of a segment (y) of an
// outer index (z).
#include <c10/metal/error.h>
#include <metal_stdlib>

#include "segment_reduce_params.h"

using namespace metal;
using namespace torch_metal;

/// The elements [begin, end) of a segment, as offsets into the data; a step apart.
struct Segment {
  long begin = 0;
  long end = 0;
  long step = 0;
  long count = 0;

  Segment(device const long* offsets, constant SegmentParams& p, uint3 id,
          device c10::metal::ErrorMessages* errors) {
    offsets += id.z * (long(p.segments) + 1) + id.y;
    const long first = offsets[0], last = offsets[1];
    if (first < 0 || last > p.size) {
      TORCH_REPORT_ERROR(errors, "a segment from ", first, " to ", last, " is outside of a dimension of size ", p.size);
      return;
    }
    step = p.inner;
    count = max(last - first, 0l);
    begin = (id.z * p.size + first) * step + id.x;
    end = begin + count * step;
  }
};

static float initial_value(constant SegmentParams& p) {
  if (p.has_initial) return p.initial;
  switch (p.reduction) {
    case kSegmentMax: return -INFINITY;
    case kSegmentMin: return INFINITY;
    case kSegmentProduct: return 1;
    default: return 0;
  }
}

/// NaN stays.
static float combined(float a, float b, uint reduction) {
  switch (reduction) {
    case kSegmentMax: return b != b || b > a ? b : a;
    case kSegmentMin: return b != b || b < a ? b : a;
    case kSegmentProduct: return a * b;
    default: return a + b;
  }
}

static long result_offset(constant SegmentParams& p, uint3 id) {
  return (id.z * long(p.segments) + id.y) * p.inner + id.x;
}

template <class T>
[[kernel]] void segment_reduce(device T* out [[buffer(0)]], device const T* data [[buffer(1)]],
                               device const long* offsets [[buffer(2)]], constant SegmentParams& p [[buffer(3)]],
                               device c10::metal::ErrorMessages* errors [[buffer(4)]],
                               uint3 id [[thread_position_in_grid]]) {
  const Segment segment(offsets, p, id, errors);
  float result = initial_value(p);
  for (long i = segment.begin; i < segment.end; i += segment.step) {
    result = combined(result, float(data[i]), p.reduction);
  }
  if (p.reduction == kSegmentMean) {
    if (segment.count > 0) {
      result /= segment.count;
    } else if (!p.has_initial) {
      result = NAN;
    }
  }
  out[result_offset(p, id)] = T(result);
}

/// The product of a segment's other elements.
template <class T>
static float product_without(long element, thread const Segment& segment, device const T* data,
                             constant SegmentParams& p) {
  float product = initial_value(p);
  for (long i = segment.begin; i < segment.end; i += segment.step) {
    if (i != element) product *= float(data[i]);
  }
  return product;
}

template <class T>
[[kernel]] void segment_reduce_backward(device T* grad_in [[buffer(0)]], device const T* grad_out [[buffer(1)]],
                                        device const T* out [[buffer(2)]], device const T* data [[buffer(3)]],
                                        device const long* offsets [[buffer(4)]],
                                        constant SegmentParams& p [[buffer(5)]],
                                        device c10::metal::ErrorMessages* errors [[buffer(6)]],
                                        uint3 id [[thread_position_in_grid]]) {
  const Segment segment(offsets, p, id, errors);
  const float gradient = float(grad_out[result_offset(p, id)]), result = float(out[result_offset(p, id)]);
  const bool extremum = p.reduction == kSegmentMax || p.reduction == kSegmentMin;
  long chosen = 0;
  for (long i = segment.begin; extremum && i < segment.end; i += segment.step) {
    const float value = float(data[i]);
    chosen += value != value || value == result;
  }
  for (long i = segment.begin; i < segment.end; i += segment.step) {
    const float value = float(data[i]);
    float share = gradient;
    if (extremum) {
      share = value != value || value == result ? gradient / chosen : 0;
    } else if (p.reduction == kSegmentMean) {
      share = gradient / segment.count;
    } else if (p.reduction == kSegmentProduct) {
      const bool divides = value != 0 && value == value;
      share = gradient * (divides ? result / value : product_without(i, segment, data, p));
    }
    grad_in[i] = T(share);
  }
}
