// Validation mode of the device, as Metal's shader validation: kernels are compiled with checks of their memory accesses.
#pragma once

#include <cstddef>

namespace metal_software {

/// While validating, the device knows its buffers: kernels reach them through addresses in memory too.
void add_live_buffer(const void* address, size_t bytes);
void remove_live_buffer(const void* address);
/// All of [address, address + bytes) lies in one live buffer.
bool is_in_live_buffer(const void* address, size_t bytes);

}  // namespace metal_software
