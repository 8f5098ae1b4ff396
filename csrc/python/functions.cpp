// The functions that the Python package calls: torch.classes.torch_metal.Functions. Thin; the work is in runtime/.
//
// Methods of such a class are called past the dispatcher, so that neither modes nor profilers take them for operators,
// and without the interpreter's lock. Errors keep their Python types, and warnings are Python's.
#include <torch/custom_class.h>

#include "metal/faults.h"
#include "metal/platform.h"
#include "ops/library_choice.h"
#include "python/any.h"
#include "python/dlpack.h"
#include "python/errors.h"
#include "runtime/allocator.h"
#include "runtime/device.h"
#include "runtime/generator.h"
#include "runtime/graph.h"
#include "runtime/kept_memory.h"
#include "runtime/kernel_library.h"
#include "runtime/operator_wait.h"
#include "runtime/route.h"
#include "runtime/stream.h"

namespace torch_metal {

namespace {

template <class T>
using Dict = c10::Dict<std::string, T>;

struct Functions : torch::CustomClassHolder {};

Dict<int64_t> as_dict(const RouteCounts& counts) {
  Dict<int64_t> result;
  result.insert("msl", counts.msl);
  result.insert("mps_graph", counts.mps_graph);
  result.insert("host", counts.host);
  result.insert("fallback", counts.fallback);
  return result;
}

Dict<int64_t> fallback_counts() {
  Dict<int64_t> result;
  for (const auto& [name, count] : fallback_operators()) result.insert(name, count);
  return result;
}

Dict<Dict<int64_t>> operators_as_dict() {
  Dict<Dict<int64_t>> result;
  for (const auto& [name, counts] : operator_routes()) result.insert(name, as_dict(counts));
  return result;
}

c10::IValue properties() {
  auto result = any_dict();
  result.insert("name", std::string(device()->name()->utf8String()));
  result.insert("total_memory", static_cast<int64_t>(device()->recommendedMaxWorkingSetSize()));
  result.insert("max_buffer_length", static_cast<int64_t>(device()->maxBufferLength()));
  result.insert("max_threadgroup_memory_length", static_cast<int64_t>(device()->maxThreadgroupMemoryLength()));
  result.insert("max_threads_per_threadgroup", static_cast<int64_t>(device()->maxThreadsPerThreadgroup().width));
  result.insert("unified_memory", device()->hasUnifiedMemory());
  return result;
}

std::vector<std::tuple<std::string, std::string>> kernel_names() {
  std::vector<std::tuple<std::string, std::string>> result;
  for (const auto& [family, name] : kernels_in_use()) result.emplace_back(family, name);
  return result;
}

void begin_capture(const std::string& path) {
  Stream::synchronize_all();
  const std::string reason = start_capture(device(), path);
  TORCH_CHECK(reason.empty(), "Cannot capture to ", path, ": ", reason);
}

void end_capture() {
  Stream::synchronize_all();
  stop_capture();
}

void fail_on_purpose(const std::string& faults) {
  try {
    inject_faults(faults);
  } catch (const std::invalid_argument& error) {
    TORCH_CHECK_VALUE(false, error.what());
  }
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(torch_metal, m) {
  m.class_<Functions>("Functions")
      .def_static("device_count", [] { return static_cast<int64_t>(device_count()); })
      .def_static("device_is_open", &device_is_open)
      .def_static("in_bad_fork", &in_bad_fork)
      .def_static("open_device", [] { device(); })
      .def_static("properties", &properties)
      .def_static("synchronize", &Stream::synchronize_all)
      .def_static("wait_all", &Stream::wait_all)
      .def_static("default_generator", [] { return default_generator(); })

      .def_static("set_memory_fraction", &set_memory_fraction)
      .def_static("memory_fraction", &memory_fraction)

      .def_static("route_counts", [] { return as_dict(route_counts()); })
      .def_static("reset_route_counts", &reset_route_counts)
      .def_static("fallback_operators", &fallback_counts)
      .def_static("record_operators", &record_operators)
      .def_static("operator_routes", &operators_as_dict)

      // Enumerations are numbers here; Python knows their names.
      .def_static("preferred_library",
                  [](int64_t family) { return static_cast<int64_t>(preferred_library(static_cast<Family>(family))); })
      .def_static("set_preferred_library",
                  [](int64_t family, int64_t library) {
                    set_preferred_library(static_cast<Family>(family), static_cast<Library>(library));
                  })
      .def_static("sync_debug_mode", [] { return static_cast<int64_t>(sync_debug_mode()); })
      .def_static("set_sync_debug_mode", [](int64_t mode) { set_sync_debug_mode(static_cast<SyncDebugMode>(mode)); })

      .def_static("start_capture", &begin_capture)
      .def_static("stop_capture", &end_capture)
      .def_static("to_dlpack", &to_dlpack)
      .def_static("raise_kept", &raise_kept)

      // What tests ask.
      .def_static("kernels_in_use", &kernel_names)
      .def_static("kept_graphs", [] { return static_cast<int64_t>(kept_graphs()); })
      .def_static("kept_memory", [] { return static_cast<int64_t>(kept_memory()); })
      .def_static("inject_faults", &fail_on_purpose)
      .def_static("injected_faults", [] { return static_cast<int64_t>(injected_faults()); });
}

}  // namespace torch_metal
