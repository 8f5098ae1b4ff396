// Recordings of kernels, as torch_metal.profiler uses them: torch.classes.torch_metal.ProfilerRecording.
#include "runtime/profiler.h"

#include <torch/custom_class.h>

#include "python/any.h"

namespace torch_metal {

namespace {

int64_t number(uint64_t value) { return static_cast<int64_t>(value); }

c10::IValue triple(const std::array<uint64_t, 3>& values) {
  return std::make_tuple(number(values[0]), number(values[1]), number(values[2]));
}

c10::IValue as_dict(const profiler::Record& record) {
  auto result = any_dict();
  result.insert("name", record.name);
  result.insert("grid", triple(record.grid));
  result.insert("threadgroup", triple(record.threadgroup));
  result.insert("bytes", number(record.bytes));
  result.insert("stream", record.stream);
  result.insert("thread", number(record.thread));
  result.insert("call", number(record.call));
  result.insert("operator", record.operator_name);
  result.insert("encode_start_ns", record.encode_start_ns);
  result.insert("encode_end_ns", record.encode_end_ns);
  result.insert("start_ns", record.start_ns);
  result.insert("end_ns", record.end_ns);
  result.insert("error", record.error);
  return result;
}

c10::IValue as_dict(const profiler::Call& call) {
  auto result = any_dict();
  result.insert("id", number(call.id));
  result.insert("name", call.name);
  result.insert("thread", number(call.thread));
  result.insert("start_ns", call.start_ns);
  result.insert("end_ns", call.end_ns);
  result.insert("inputs", any_list(call.inputs));
  result.insert("outputs", any_list(call.outputs));
  return result;
}

template <class T>
c10::impl::GenericList as_dicts(const std::vector<T>& values) {
  std::vector<c10::IValue> dicts;
  for (const T& value : values) dicts.push_back(as_dict(value));
  return any_list(dicts);
}

c10::IValue as_dict(const profiler::Trace& trace) {
  auto result = any_dict();
  result.insert("start_ns", trace.start_ns);
  result.insert("end_ns", trace.end_ns);
  result.insert("records", as_dicts(trace.records));
  result.insert("calls", as_dicts(trace.calls));
  return result;
}

struct ProfilerRecording : torch::CustomClassHolder {
  profiler::Recording recording;
};

}  // namespace

TORCH_LIBRARY_FRAGMENT(torch_metal, m) {
  m.class_<ProfilerRecording>("ProfilerRecording")
      .def(torch::init<>())
      .def("stop", [](const c10::intrusive_ptr<ProfilerRecording>& self) { return as_dict(self->recording.stop()); });
}

}  // namespace torch_metal
