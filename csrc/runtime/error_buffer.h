// What kernels report while they run: an out-of-range index, a failed assertion. Read at the next synchronisation.
#pragma once

#include <Metal/Metal.hpp>

#include <string>
#include <vector>

namespace torch_metal {

/// The error buffers of one stream, one for each operator that can fail, so that an error names its operator.
class ErrorBuffers {
 public:
  /// A c10::metal::ErrorMessages for the running operator. Lives as long as the process.
  const MTL::Buffer* for_operator(const char* name);
  /// The reports since the last call, in words; empty if there are none. The device is idle.
  std::string take_messages();

 private:
  struct Entry {
    std::string name;
    MTL::Buffer* buffer;
  };
  std::vector<Entry> entries_;
};

}  // namespace torch_metal
