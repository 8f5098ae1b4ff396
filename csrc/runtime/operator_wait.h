// Waits that operators impose on the host: to read a value, to give a tensor to the CPU. They cost most where nobody
// expects them, so that users may ask to be told.
#pragma once

#include <cstdint>

namespace torch_metal {

enum class SyncDebugMode : uint8_t { none, warn, error };
SyncDebugMode sync_debug_mode();
void set_sync_debug_mode(SyncDebugMode mode);

/// Waits for the current stream, on behalf of the operator that is running; warns or raises first if users want that.
void wait_for_operator();

}  // namespace torch_metal
