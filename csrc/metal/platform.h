// What differs between Apple's Metal and the software device beyond Metal's API. Two implementations:
// csrc/metal/apple/platform.cpp, csrc/metal/software/api/platform.cpp.
#pragma once

#include <Metal/Metal.hpp>

#include <string>

namespace torch_metal {

/// What this build drives, in the words of TORCH_METAL_DEVICE: "apple" or "software".
const char* device_kind();

/// The device of this machine, one reference more; or null, and in `reason` why there is none and what helps.
MTL::Device* open_metal_device(std::string& reason);

/// Whether queues take residency sets (macOS 15).
bool has_residency_sets();

/// The library of kernels/<family>.metal that was compiled when this module was built (tools/precompile.py), one
/// reference more; null if there is none.
MTL::Library* precompiled_library(MTL::Device* device, const std::string& family);

/// device->newComputePipelineState(function, PipelineOptionArgumentInfo, reflection, error), with machine code from an
/// earlier run of the program if it is kept by `key`, which stands for all that `function` was made from. An empty key
/// keeps nothing. What is kept may be deleted at any time. Reflection and error are autoreleased.
MTL::ComputePipelineState* new_kept_pipeline(MTL::Device* device, const MTL::Function* function, const std::string& key,
                                             MTL::ComputePipelineReflection** reflection, NS::Error** error);

/// Records all that `device` does until stop_capture() into a .gputrace folder at `path`, for Xcode. Returns what
/// prevents it; an empty text if nothing does.
std::string start_capture(MTL::Device* device, const std::string& path);
void stop_capture();

}  // namespace torch_metal
