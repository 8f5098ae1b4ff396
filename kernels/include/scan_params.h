// Shapes of a scan. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// A dense tensor seen as outer x size x inner; the scan runs along the middle.
struct ScanParams {
  int64_t size;
  uint32_t inner;
};

}  // namespace torch_metal
