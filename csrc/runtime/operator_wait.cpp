#include "runtime/operator_wait.h"

#include <c10/util/Exception.h>

#include <atomic>
#include <string>

#include "runtime/route.h"
#include "runtime/stream.h"

namespace torch_metal {
namespace {

std::atomic<SyncDebugMode> mode{SyncDebugMode::none};

std::string description() {
  const char* const name = OperatorScope::current_name();
  return std::string("called a synchronizing metal operation: ") + (name ? name : "a copy to or from the CPU") +
         " makes the host wait for the device";
}

}  // namespace

SyncDebugMode sync_debug_mode() { return mode.load(std::memory_order_relaxed); }

void set_sync_debug_mode(SyncDebugMode wanted) { mode = wanted; }

void wait_for_operator() {
  const SyncDebugMode wanted = sync_debug_mode();
  TORCH_CHECK(wanted != SyncDebugMode::error, description());
  if (wanted == SyncDebugMode::warn) TORCH_WARN(description());
  Stream::current().synchronize();
}

}  // namespace torch_metal
