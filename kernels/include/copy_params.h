// Parameters of copies and fills, shared by host and kernels.
#pragma once
#ifdef __METAL__
#include <metal_stdlib>
#else
#include <cstdint>
#endif

namespace torch_metal {

/// Dimensions that a strided kernel walks.
enum : uint32_t { kMaxCopyDims = 16 };

/// What happens to a value on its way.
struct CopyFlags {
  uint32_t conjugate;
  uint32_t negate;
};

/// Innermost dimension first. Strides are in elements. Grid x and y are dimensions 0 and 1, z all others.
struct CopyLayout {
  uint32_t dims;
  uint32_t sizes[kMaxCopyDims];
  int32_t to[kMaxCopyDims];
  int32_t from[kMaxCopyDims];
};

}  // namespace torch_metal
