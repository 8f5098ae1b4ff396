// The device's own side of metal/host_threads.h.
#pragma once

#include "metal/host_threads.h"

namespace metal_software {

/// The pool in use: the one that was lent, or a small one of the device's own.
const torch_metal::HostThreads& host_threads();

/// From now on a fork makes forked_after_use() true in the child. Called before the device starts a thread.
void watch_for_forks();

}  // namespace metal_software
