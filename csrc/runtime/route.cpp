#include "runtime/route.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <string_view>

namespace torch_metal {

namespace {

std::array<std::atomic<uint64_t>, 5> counts{};
thread_local OperatorScope* current_scope = nullptr;

// What is kept by operator; never destroyed, as other threads may still count when the process ends.
struct Records {
  std::mutex mutex;
  std::map<std::string, uint64_t> fallbacks;
  std::map<std::string, RouteCounts> operators;
};
Records& records() {
  static auto* const instance = new Records();
  return *instance;
}
std::atomic<bool> recording{false};

uint64_t& count_of(RouteCounts& counts, Route route) {
  switch (route) {
    case Route::msl: return counts.msl;
    case Route::mps_graph: return counts.mps_graph;
    case Route::host: return counts.host;
    default: return counts.fallback;
  }
}

void count(Route route) { counts[static_cast<size_t>(route)].fetch_add(1, std::memory_order_relaxed); }

uint64_t counted(Route route) { return counts[static_cast<size_t>(route)].load(std::memory_order_relaxed); }

bool fallback_is_an_error() {
  const char* value = std::getenv("TORCH_METAL_FALLBACK");
  return value && std::string_view(value) == "error";
}

}  // namespace

void take_route(Route route) {
  if (!current_scope) {
    count(route);
  } else if (route > current_scope->route_) {
    current_scope->route_ = route;
  }
}

OperatorScope::OperatorScope(const char* name) : outer_(current_scope), name_(name) { current_scope = this; }

OperatorScope::~OperatorScope() {
  current_scope = outer_;
  if (route_ != Route::none) count(route_);
  const Route worst = std::max(route_, nested_);
  if (worst == Route::none) return;
  if (outer_) outer_->nested_ = std::max(outer_->nested_, worst);
  if (!recording.load(std::memory_order_relaxed)) return;
  const std::lock_guard<std::mutex> lock(records().mutex);
  ++count_of(records().operators[name_], worst);
}

const char* OperatorScope::current_name() { return current_scope ? current_scope->name_ : nullptr; }

RouteCounts route_counts() {
  return {counted(Route::msl), counted(Route::mps_graph), counted(Route::host), counted(Route::fallback)};
}

void reset_route_counts() {
  for (auto& c : counts) c = 0;
  const std::lock_guard<std::mutex> lock(records().mutex);
  records().fallbacks.clear();
  records().operators.clear();
}

void record_operators(bool on) { recording = on; }

std::map<std::string, RouteCounts> operator_routes() {
  const std::lock_guard<std::mutex> lock(records().mutex);
  return records().operators;
}

void record_fallback(const std::string& overload) {
  TORCH_CHECK_NOT_IMPLEMENTED(!fallback_is_an_error(), "The operator '", overload,
                              "' has no kernel for the metal device and TORCH_METAL_FALLBACK=error forbids the CPU");
  const std::lock_guard<std::mutex> lock(records().mutex);
  ++records().fallbacks[overload];
}

std::map<std::string, uint64_t> fallback_operators() {
  const std::lock_guard<std::mutex> lock(records().mutex);
  return records().fallbacks;
}

}  // namespace torch_metal
