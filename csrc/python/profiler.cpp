#include "python/profiler.h"

#include <pybind11/stl.h>
#include <torch/csrc/jit/python/pybind_utils.h>

#include "metal/platform.h"
#include "runtime/device.h"
#include "runtime/profiler.h"
#include "runtime/stream.h"

namespace py = pybind11;

namespace torch_metal {

namespace {

py::dict as_dict(const profiler::Record& record) {
  py::dict result;
  result["name"] = record.name;
  result["grid"] = py::make_tuple(record.grid[0], record.grid[1], record.grid[2]);
  result["threadgroup"] = py::make_tuple(record.threadgroup[0], record.threadgroup[1], record.threadgroup[2]);
  result["bytes"] = record.bytes;
  result["stream"] = record.stream;
  result["thread"] = record.thread;
  result["call"] = record.call;
  result["operator"] = record.operator_name;
  result["encode_start_ns"] = record.encode_start_ns;
  result["encode_end_ns"] = record.encode_end_ns;
  result["start_ns"] = record.start_ns;
  result["end_ns"] = record.end_ns;
  result["error"] = record.error;
  return result;
}

py::list as_list(const std::vector<c10::IValue>& values) {
  py::list result;
  for (const c10::IValue& value : values) result.append(torch::jit::toPyObject(value));
  return result;
}

py::dict as_dict(const profiler::Call& call) {
  py::dict result;
  result["id"] = call.id;
  result["name"] = call.name;
  result["thread"] = call.thread;
  result["start_ns"] = call.start_ns;
  result["end_ns"] = call.end_ns;
  result["inputs"] = as_list(call.inputs);
  result["outputs"] = as_list(call.outputs);
  return result;
}

py::dict as_dict(const profiler::Trace& trace) {
  py::list records, calls;
  for (const profiler::Record& record : trace.records) records.append(as_dict(record));
  for (const profiler::Call& call : trace.calls) calls.append(as_dict(call));
  py::dict result;
  result["start_ns"] = trace.start_ns;
  result["end_ns"] = trace.end_ns;
  result["records"] = records;
  result["calls"] = calls;
  return result;
}

py::dict stop(profiler::Recording& recording) {
  profiler::Trace trace;
  {
    const py::gil_scoped_release no_gil;
    trace = recording.stop();
  }
  return as_dict(trace);
}

}  // namespace

void define_profiler(py::module_& m) {
  py::class_<profiler::Recording>(m, "ProfilerRecording", "Records kernels until it is stopped, once.")
      .def(py::init<>())
      .def("stop", &stop);
  m.def("start_capture", [](const std::string& path) {
    Stream::synchronize_all();
    const std::string reason = start_capture(device(), path);
    TORCH_CHECK(reason.empty(), "Cannot capture to ", path, ": ", reason);
  });
  m.def("stop_capture", [] {
    Stream::synchronize_all();
    stop_capture();
  });
}

}  // namespace torch_metal
