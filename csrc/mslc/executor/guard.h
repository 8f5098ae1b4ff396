// Lets the executor leave a kernel that the CPU or the clock has stopped.
#pragma once

#include <string>

#include "executor/object_loader.h"

namespace mslc {

using GuardedWork = void (*)(void* context);

/// Runs work(context), which calls `code`. Throws ExecutionError, naming `kernel`, if the code accesses memory that the
/// process does not have, or takes longer than TORCH_METAL_TIME_LIMIT seconds. Then the code, and what is between here
/// and there, is left without destructors being run: it must own nothing. Threads other than those that call this, and
/// code other than `code`, keep the signal handlers that were there before.
void run_guarded(const LoadedObject& code, const std::string& kernel, GuardedWork work, void* context);

template <class Work>
void run_guarded(const LoadedObject& code, const std::string& kernel, Work work) {
  run_guarded(code, kernel, [](void* context) { (*static_cast<Work*>(context))(); }, &work);
}

}  // namespace mslc
