// The library of tensor functions that the software device computes MPSGraph's nodes with. Whoever has one lends it
// here, as with threads (host_threads.h). On macOS MPSGraph is Apple's and nothing happens.
#pragma once

#include <array>
#include <cstdint>

#include "metal/mps_graph.h"

namespace torch_metal {

/// Strided memory; strides in elements, 0 where a dimension is broadcast.
struct HostArray {
  static constexpr int kMaxDimensions = 16;
  void* data = nullptr;
  MPS::DataType data_type = MPS::DataTypeFloat32;
  int dimensions = 0;
  std::array<int64_t, kMaxDimensions> sizes{}, strides{};
};

/// Of a convolution in Y and X, or in Z, Y and X, from its source to its result.
struct HostConvolution {
  std::array<int64_t, 3> stride{1, 1, 1}, padding{0, 0, 0}, dilation{1, 1, 1};  ///< Z, Y, X; padding on either side
  int64_t groups = 1;
};

/// Each function writes all of `out` and may throw.
struct HostLibrary {
  void (*copy)(const HostArray& out, const HostArray& in);
  void (*add)(const HostArray& out, const HostArray& a, const HostArray& b);
  /// out = a b, plus `addend` of out's sizes unless it is null. Matrices, or batches of them with equal sizes.
  void (*matmul)(const HostArray& out, const HostArray& a, const HostArray& b, const HostArray* addend);
  /// `bias`: [O], or null.
  void (*convolution)(const HostArray& out, const HostArray& source, const HostArray& weights, const HostArray* bias,
                      const HostConvolution& convolution);
  void (*convolution_data_gradient)(const HostArray& out, const HostArray& gradient, const HostArray& weights,
                                    const HostConvolution& convolution);
  void (*convolution_weights_gradient)(const HostArray& out, const HostArray& gradient, const HostArray& source,
                                       const HostConvolution& convolution);
};

#ifdef TORCH_METAL_APPLE_DEVICE
inline void set_host_library(const HostLibrary&) {}
#else
/// Call before a graph is compiled. Without a library graphs cannot be: compile() returns null.
void set_host_library(const HostLibrary& library);
#endif

}  // namespace torch_metal
