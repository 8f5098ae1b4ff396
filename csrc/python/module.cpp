// torch_metal._C: what the Python package calls. Thin; the work is in runtime/.
#include <pybind11/stl.h>
#include <torch/csrc/utils/pybind.h>

#include "metal/faults.h"
#include "ops/library_choice.h"
#include "python/dlpack.h"
#include "python/profiler.h"
#include "python/shader.h"
#include "runtime/allocator.h"
#include "runtime/device.h"
#include "runtime/flatten_source.h"
#include "runtime/generator.h"
#include "runtime/graph.h"
#include "runtime/kept_memory.h"
#include "runtime/kernel_library.h"
#include "runtime/operator_wait.h"
#include "runtime/route.h"
#include "runtime/stream.h"

namespace py = pybind11;
using namespace torch_metal;

namespace {

py::dict as_dict(const RouteCounts& counts) {
  py::dict result;
  result["msl"] = counts.msl;
  result["mps_graph"] = counts.mps_graph;
  result["host"] = counts.host;
  result["fallback"] = counts.fallback;
  return result;
}

py::dict operators_as_dict() {
  py::dict result;
  for (const auto& [name, counts] : operator_routes()) result[py::str(name)] = as_dict(counts);
  return result;
}

py::dict properties() {
  py::dict result;
  result["name"] = device()->name()->utf8String();
  result["total_memory"] = device()->recommendedMaxWorkingSetSize();
  result["max_buffer_length"] = device()->maxBufferLength();
  result["max_threadgroup_memory_length"] = device()->maxThreadgroupMemoryLength();
  result["max_threads_per_threadgroup"] = device()->maxThreadsPerThreadgroup().width;
  result["unified_memory"] = device()->hasUnifiedMemory();
  return result;
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("device_count", &device_count);
  m.def("device_is_open", &device_is_open);
  m.def("in_bad_fork", &in_bad_fork);
  m.def("open_device", [] { device(); });
  m.def("properties", &properties);
  m.def("synchronize", &Stream::synchronize_all, py::call_guard<py::gil_scoped_release>());
  m.def("wait_all", &Stream::wait_all, py::call_guard<py::gil_scoped_release>());
  m.def("default_generator", &default_generator);

  m.def("set_memory_fraction", &set_memory_fraction);
  m.def("memory_fraction", &memory_fraction);
  m.def("memory_limit", &memory_limit);

  m.def("route_counts", [] { return as_dict(route_counts()); });
  m.def("reset_route_counts", &reset_route_counts);
  m.def("fallback_operators", &fallback_operators);
  m.def("record_operators", &record_operators);
  m.def("operator_routes", &operators_as_dict);

  py::enum_<Family>(m, "Family").value("matmul", Family::matmul).value("convolution", Family::convolution);
  py::enum_<Library>(m, "Library")
      .value("automatic", Library::automatic)
      .value("msl", Library::msl)
      .value("mps_graph", Library::mps_graph);
  m.def("preferred_library", &preferred_library);
  m.def("set_preferred_library", &set_preferred_library);
  py::enum_<SyncDebugMode>(m, "SyncDebugMode")
      .value("default", SyncDebugMode::none)
      .value("warn", SyncDebugMode::warn)
      .value("error", SyncDebugMode::error);
  m.def("sync_debug_mode", &sync_debug_mode);
  m.def("set_sync_debug_mode", &set_sync_debug_mode);
  m.def("kept_graphs", &kept_graphs);
  m.def("kept_memory", &kept_memory);

  m.def("kernels_in_use", &kernels_in_use);
  m.def("flatten_source", &flatten_source, py::arg("source"), py::arg("name"),
        py::arg("include_directories") = std::vector<std::string>());
  m.def("to_dlpack", &to_dlpack);
  m.def("inject_faults", &inject_faults);
  m.def("injected_faults", &injected_faults);
  define_shader(m);
  define_profiler(m);
}
