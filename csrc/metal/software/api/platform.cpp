#include "metal/platform.h"

#include <exception>

#include "execution/faults.h"

namespace torch_metal {

const char* device_kind() { return "software"; }

MTL::Device* open_metal_device(std::string& reason) {
  try {
    metal_software::read_faults();
  } catch (const std::exception& error) {
    reason = std::string("TORCH_METAL_FAULTS: ") + error.what();
    return nullptr;
  }
  MTL::Device* const device = MTL::CreateSystemDefaultDevice();
  if (!device) reason = "The software Metal device could not be opened";
  return device;
}

bool has_residency_sets() { return true; }

MTL::Library* precompiled_library(MTL::Device*, const std::string&) { return nullptr; }

// Libraries keep their machine code themselves (mslc/cache).
MTL::ComputePipelineState* new_kept_pipeline(MTL::Device* device, const MTL::Function* function, const std::string&,
                                             MTL::ComputePipelineReflection** reflection, NS::Error** error) {
  return device->newComputePipelineState(function, MTL::PipelineOptionArgumentInfo, reflection, error);
}

std::string start_capture(MTL::Device*, const std::string&) {
  return "the software Metal device has no GPU capture; torch_metal.profiler records what runs";
}

void stop_capture() {}

}  // namespace torch_metal
