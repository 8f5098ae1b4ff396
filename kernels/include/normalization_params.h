// Shapes of a normalisation. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

enum : uint32_t { kNormalizationMaxDims = 16, kNormalizationMaxOperands = 8 };
enum : uint32_t { kNormalizationBlock = 256 };  // elements of a row that 32 threads take in turn

/// Operands broadcast together. Strides count elements, dimension 0 is the fastest.
struct NormalizationParams {
  int64_t strides[kNormalizationMaxOperands][kNormalizationMaxDims];
  uint32_t sizes[kNormalizationMaxDims];
  uint32_t dims;
  uint32_t has_weight;  // otherwise the weight's operand is not read
  uint32_t has_bias;
  float epsilon;      // forward: added to a variance; negative if statistics hold its reciprocal root instead
  float scale;        // backward: 1 / elements normalised together; zero if the statistics were constants
  uint32_t weighted;  // backward: the sums have the weight in them
};

struct LayerNormParams {
  uint32_t size;  // of a row
  uint32_t has_weight, has_bias;
  float epsilon;
};

/// Running statistics of a batch normalisation.
struct RunningStatisticsParams {
  int64_t mean_stride, variance_stride;
  float momentum;
  float correction;  // n / (n - 1): running variances are unbiased
  float epsilon;
  uint32_t has_mean, has_variance;
};

}  // namespace torch_metal
