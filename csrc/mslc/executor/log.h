// Messages that kernels write with os_log.
#pragma once

#include <cstdint>

namespace mslc {

/// What compiled code calls for a part of each active lane's message: see LogPart in abi.h.
void log_lanes(const uint64_t* values, uint32_t mask, uint32_t part);

}  // namespace mslc
