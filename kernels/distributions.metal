// Numbers from distributions that take a varying number of random words: gamma, Poisson, binomial. One thread an
// element; each attempt has four words, from the element's Philox counter under a key of the attempt's own.
#include <c10/metal/error.h>

#include "random_params.h"
#include "random_words.h"

using namespace random_words;

namespace {

uint4 words_of(constant RandomParams& params, uint element, uint attempt) {
  const ulong key = static_cast<ulong>(params.seed) + attempt * 0x9e3779b97f4a7c15ul;
  return c10::metal::philox4::rand(static_cast<long>(key), params.offset + element);
}

/// log(1 - p) that is exact for small p too.
float log_complement(float p) {
  return p < 0.01f ? -p * (1 + p * (1 / 2.0f + p * (1 / 3.0f + p / 4))) : precise::log(1 - p);
}

/// How much log(n!) exceeds Stirling's (n + 1/2) log(n) - n + log(2 pi) / 2.
float stirling_error(float n) {
  constexpr float small[] = {0,           0.08106147f, 0.04134070f, 0.02767793f, 0.02079067f,
                             0.01664469f, 0.01387613f, 0.01189671f, 0.01041127f, 0.00925546f};
  if (n < 10) return small[static_cast<uint>(n)];
  const float square = n * n;
  return (1 / 12.0f - (1 / 360.0f - 1 / 1260.0f / square) / square) / n;
}

/// x log(x / mean) + mean - x, without cancellation near the mean (Loader, "Fast and accurate computation of binomial
/// probabilities", 2000).
float deviance(float x, float mean) {
  if (fabs(x - mean) >= 0.1f * (x + mean)) return x * precise::log(x / mean) + mean - x;
  const float v = (x - mean) / (x + mean);
  float sum = (x - mean) * v, term = 2 * x * v;
  for (uint j = 1; j < 7; ++j) {
    term *= v * v;
    sum += term / (2 * j + 1);
  }
  return sum;
}

float log_poisson(float k, float rate) {
  if (k == 0) return -rate;
  return -0.5f * precise::log(2 * M_PI_F * k) - stirling_error(k) - deviance(k, rate);
}

float log_binomial(float k, float n, float p) {
  const float failures = n - k;
  if (k == 0) return n * log_complement(p);
  if (failures == 0) return n * precise::log(p);
  return stirling_error(n) - stirling_error(k) - stirling_error(failures) - deviance(k, n * p) -
         deviance(failures, n * (1 - p)) - 0.5f * precise::log(2 * M_PI_F * k * (failures / n));
}

/// What both transformed rejections draw: a table mountain's inverse, as Hoermann has it ("The transformed rejection
/// method for generating Poisson random variables", 1993, and "The generation of binomial random variates", 1993).
struct Hat {
  float a, b, centre;
  float accept;  ///< below this, points in the middle need no test
  float scale;

  float from_edge(float u) const { return 0.5f - fabs(u); }
  float candidate(float u) const { return floor((2 * a / from_edge(u) + b) * u + centre); }
  bool surely(float u, float v) const { return from_edge(u) >= 0.07f && v <= accept; }
  float log_height(float u, float v) const {
    const float edge = from_edge(u);
    return precise::log(v * scale / (a / (edge * edge) + b));
  }
};

}  // namespace

namespace sampler {

/// Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).
struct gamma {
  /// A sample of alpha (below 1: alpha + 1), and a uniform number beside it.
  static float2 draw_with_uniform(float alpha, constant RandomParams& params, uint element) {
    const float d = (alpha < 1 ? alpha + 1 : alpha) - 1 / 3.0f, c = precise::rsqrt(9 * d);
    for (uint attempt = 0;; ++attempt) {
      const uint4 words = words_of(params, element, attempt);
      const float y = c * normal_pair(words.x, words.y).x;
      if (y <= -1) continue;
      const float v = (1 + y) * (1 + y) * (1 + y);
      // The logarithm of the ratio of densities; the first terms of its series cancel.
      const float ratio = fabs(y) < 0.05f
                              ? y * y * y * y * (-3 / 4.0f + y * (3 / 5.0f + y * (-3 / 6.0f + y * (3 / 7.0f))))
                              : 4.5f * y * y + precise::log(v) + 1 - v;
      if (precise::log(open_unit(words.z)) >= d * ratio) continue;
      return float2(d * v, open_unit(words.w));
    }
  }
  static float draw(float alpha, constant RandomParams& params, uint element) {
    if (!(alpha >= 0 && alpha < INFINITY)) return alpha < 0 ? NAN : alpha;
    const float2 sample = draw_with_uniform(alpha, params, element);
    return alpha < 1 ? sample.x * precise::pow(sample.y, 1 / alpha) : sample.x;
  }
  /// The logarithm, also of samples that are too small for a float.
  static float draw_log(float alpha, constant RandomParams& params, uint element) {
    if (!(alpha >= 0 && alpha < INFINITY)) return alpha < 0 ? NAN : alpha;
    const float2 sample = draw_with_uniform(alpha, params, element);
    return precise::log(sample.x) + (alpha < 1 ? precise::log(sample.y) / alpha : 0);
  }
};

struct poisson {
  /// The number of uniform factors that a product takes to fall to exp(-rate), less one.
  static float by_product(float rate, constant RandomParams& params, uint element) {
    const float end = precise::exp(-rate);
    float product = 1;
    for (uint attempt = 0;; ++attempt) {
      const uint4 words = words_of(params, element, attempt);
      for (uint i = 0; i < 4; ++i) {
        product *= open_unit(words[i]);
        if (product <= end) return 4 * attempt + i;
      }
    }
  }
  static float by_rejection(float rate, constant RandomParams& params, uint element) {
    const float b = 0.931f + 2.53f * precise::sqrt(rate);
    const Hat hat{-0.059f + 0.02483f * b, b, rate + 0.43f, 0.9277f - 3.6224f / (b - 2), 1.1239f + 1.1328f / (b - 3.4f)};
    for (uint attempt = 0;; ++attempt) {
      const uint4 words = words_of(params, element, attempt);
      const float u = open_unit(words.x) - 0.5f, v = open_unit(words.y), k = hat.candidate(u);
      if (hat.surely(u, v)) return k;
      if (k < 0 || (hat.from_edge(u) < 0.013f && v > hat.from_edge(u))) continue;
      if (hat.log_height(u, v) <= log_poisson(k, rate)) return k;
    }
  }
  static float draw(float rate, constant RandomParams& params, uint element) {
    if (!(rate >= 0 && rate < INFINITY)) return NAN;
    return rate < 10 ? by_product(rate, params, element) : by_rejection(rate, params, element);
  }
};

/// Successes in n trials of probability p, at most 1/2.
struct binomial {
  /// Adds up the trials to each success, which are geometric.
  static float by_waiting(float n, float p, constant RandomParams& params, uint element) {
    const float log_failure = log_complement(p);
    float trials = 0;
    for (uint attempt = 0;; ++attempt) {
      const uint4 words = words_of(params, element, attempt);
      for (uint i = 0; i < 4; ++i) {
        trials += ceil(precise::log(open_unit(words[i])) / log_failure);
        if (trials > n) return 4 * attempt + i;
      }
    }
  }
  static float by_rejection(float n, float p, constant RandomParams& params, uint element) {
    const float deviation = precise::sqrt(n * p * (1 - p)), b = 1.15f + 2.53f * deviation;
    const Hat hat{-0.0873f + 0.0248f * b + 0.01f * p, b, n * p + 0.5f, 0.92f - 4.2f / b,
                  (2.83f + 5.1f / b) * deviation};
    const float highest = log_binomial(floor((n + 1) * p), n, p);
    for (uint attempt = 0;; ++attempt) {
      const uint4 words = words_of(params, element, attempt);
      const float u = open_unit(words.x) - 0.5f, v = open_unit(words.y), k = hat.candidate(u);
      if (k < 0 || k > n) continue;
      if (hat.surely(u, v) || hat.log_height(u, v) <= log_binomial(k, n, p) - highest) return k;
    }
  }
  static float successes(float n, float p, constant RandomParams& params, uint element) {
    return n * p < 10 ? by_waiting(n, p, params, element) : by_rejection(n, p, params, element);
  }
  static float draw(float n, float p, constant RandomParams& params, uint element) {
    if (!(n < INFINITY) || p != p) return NAN;
    if (n <= 0 || p <= 0) return 0;
    if (p >= 1) return n;
    return p <= 0.5f ? successes(n, p, params, element) : n - successes(n, 1 - p, params, element);
  }
};

}  // namespace sampler

kernel void sample_log_gamma(device float* out [[buffer(0)]],
                             device const float* alpha [[buffer(1)]],
                             constant RandomParams& params [[buffer(2)]],
                             uint element [[thread_position_in_grid]]) {
  out[element] = sampler::gamma::draw_log(alpha[element], params, element);
}

template <class T>
kernel void sample_poisson(device T* out [[buffer(0)]],
                           device const T* rates [[buffer(1)]],
                           device c10::metal::ErrorMessages* errors [[buffer(2)]],
                           constant RandomParams& params [[buffer(3)]],
                           uint element [[thread_position_in_grid]]) {
  const float rate = static_cast<float>(rates[element]);
  if (!(rate >= 0)) TORCH_REPORT_ERROR(errors, "invalid Poisson rate, expected rate to be non-negative, got ", rate);
  out[element] = static_cast<T>(sampler::poisson::draw(rate, params, element));
}

template <class T>
kernel void sample_gamma(device T* out [[buffer(0)]],
                         device const T* alpha [[buffer(1)]],
                         constant RandomParams& params [[buffer(2)]],
                         uint element [[thread_position_in_grid]]) {
  const T value = static_cast<T>(sampler::gamma::draw(static_cast<float>(alpha[element]), params, element));
  out[element] = value < numeric_limits<T>::min() ? numeric_limits<T>::min() : value;  // never zero; NaN stays
}

template <class T>
kernel void sample_binomial(device T* out [[buffer(0)]],
                            device const T* count [[buffer(1)]],
                            device const T* probability [[buffer(2)]],
                            constant RandomParams& params [[buffer(3)]],
                            uint element [[thread_position_in_grid]]) {
  const float n = static_cast<float>(count[element]), p = static_cast<float>(probability[element]);
  out[element] = static_cast<T>(sampler::binomial::draw(n, p, params, element));
}
