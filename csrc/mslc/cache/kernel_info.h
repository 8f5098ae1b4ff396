// What is known of a kernel as bytes, and back: a part of what lies in the cache or goes to another machine.
#pragma once

#include "cache/bytes.h"
#include "mslc/mslc.h"

namespace mslc {

void write_kernel_info(ByteWriter& out, const KernelInfo& kernel);
/// Throws std::runtime_error if the bytes end before.
KernelInfo read_kernel_info(ByteReader& in);

}  // namespace mslc
