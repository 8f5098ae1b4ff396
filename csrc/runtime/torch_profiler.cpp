// What torch.profiler and torch.autograd.profiler ask of the metal device.
//
// Kineto, the collector of torch.profiler, takes whole traces of a device: each kernel becomes an event of its own,
// linked to the operator that launched it. Without Kineto PyTorch marks the begin and end of each operator on the
// stream.
#define KINETO_NAMESPACE libkineto
#define USE_KINETO
#define FMT_HEADER_ONLY

#include <libkineto.h>
#include <output_base.h>
#include <torch/csrc/profiler/standalone/privateuse1_profiler.h>
#include <torch/csrc/profiler/stubs/base.h>

#include <optional>
#include <set>
#include <string>

#include "runtime/device.h"
#include "runtime/event.h"
#include "runtime/profiler.h"
#include "runtime/stream.h"

namespace torch_metal {

namespace {

using libkineto::ActivityType;

std::string json_list(const std::array<uint64_t, 3>& values) {
  return fmt::format("[{}, {}, {}]", values[0], values[1], values[2]);
}

// A text within the quotes of JSON, which Kineto adds without looking inside.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return result;
}

/// One trace of torch.profiler.
class Session final : public libkineto::IActivityProfilerSession {
 public:
  void start() override {
    device_name_ = device()->name()->utf8String();  // the device may be gone when the trace is made
    recording_.emplace();
    status_ = libkineto::TraceStatus::RECORDING;
  }
  void stop() override {
    trace_ = recording_->stop();
    recording_.reset();
    status_ = libkineto::TraceStatus::PROCESSING;
  }
  std::vector<std::string> errors() override { return {}; }

  void processTrace(libkineto::ActivityLogger& logger) override {
    processTrace(logger, [](int32_t) { return nullptr; }, trace_.start_ns, trace_.end_ns);
  }
  void processTrace(libkineto::ActivityLogger& logger, libkineto::getLinkedActivityCallback operator_of, int64_t,
                    int64_t) override {
    buffer_->span = libkineto::TraceSpan(trace_.start_ns, trace_.end_ns, "metal");
    for (const profiler::Record& record : trace_.records) {
      const libkineto::ITraceActivity* const launched_by = operator_of(static_cast<int32_t>(record.correlation));
      if (launched_by) add_encoding(record, *launched_by).log(logger);
      add_kernel(record, launched_by).log(logger);
    }
  }

  std::unique_ptr<libkineto::DeviceInfo> getDeviceInfo() override {
    return std::make_unique<libkineto::DeviceInfo>(
        libkineto::DeviceInfo{0, libkineto::kExceedMaxPid, device_name_, "metal:0"});
  }
  std::vector<libkineto::ResourceInfo> getResourceInfos() override {
    std::set<int64_t> streams;
    for (const profiler::Record& record : trace_.records) streams.insert(record.stream);
    std::vector<libkineto::ResourceInfo> infos;
    for (const int64_t stream : streams) infos.push_back({stream, stream, 0, fmt::format("stream {}", stream)});
    return infos;
  }
  std::unique_ptr<libkineto::CpuTraceBuffer> getTraceBuffer() override { return std::move(buffer_); }

  void pushCorrelationId(uint64_t id) override { profiler::push_correlation(id); }
  void popCorrelationId() override { profiler::pop_correlation(); }

 private:
  // An event of record, with the flow that leads from its encoding to its execution.
  libkineto::GenericTraceActivity& add(const profiler::Record& record, ActivityType type, const std::string& name,
                                       const libkineto::ITraceActivity* launched_by) {
    buffer_->emplace_activity(buffer_->span, type, name);
    libkineto::GenericTraceActivity& activity = *buffer_->activities.back();
    activity.id = static_cast<int32_t>(record.number);
    activity.linked = launched_by;
    activity.flow.id = static_cast<uint32_t>(record.number);
    activity.flow.type = libkineto::kLinkAsyncCpuGpu;
    return activity;
  }

  libkineto::GenericTraceActivity& add_encoding(const profiler::Record& record,
                                                const libkineto::ITraceActivity& launched_by) {
    auto& activity = add(record, ActivityType::PRIVATEUSE1_RUNTIME, "dispatchThreads", &launched_by);
    activity.startTime = record.encode_start_ns;
    activity.endTime = record.encode_end_ns;
    activity.device = static_cast<int32_t>(launched_by.deviceId());
    activity.resource = static_cast<int32_t>(launched_by.resourceId());
    activity.threadId = launched_by.getThreadId();
    activity.flow.start = 1;
    return activity;
  }

  libkineto::GenericTraceActivity& add_kernel(const profiler::Record& record,
                                              const libkineto::ITraceActivity* launched_by) {
    const bool is_copy = record.grid[0] == 0;
    const ActivityType type = is_copy ? ActivityType::GPU_MEMCPY : ActivityType::CONCURRENT_KERNEL;
    auto& activity = add(record, type, escaped(record.name), launched_by);
    activity.startTime = record.start_ns;
    activity.endTime = record.end_ns;
    activity.device = 0;
    activity.resource = static_cast<int32_t>(record.stream);
    activity.addMetadata("stream", record.stream);
    activity.addMetadata("correlation", record.number);
    activity.addMetadata("bytes", record.bytes);
    if (!is_copy) {
      activity.addMetadata("grid", json_list(record.grid));
      activity.addMetadata("threadgroup", json_list(record.threadgroup));
    }
    if (!record.error.empty()) activity.addMetadataQuoted("error", escaped(record.error));
    return activity;
  }

  std::string device_name_;
  std::optional<profiler::Recording> recording_;
  profiler::Trace trace_;
  std::unique_ptr<libkineto::CpuTraceBuffer> buffer_ = std::make_unique<libkineto::CpuTraceBuffer>();
};

class MetalActivityProfiler final : public libkineto::IActivityProfiler {
 public:
  const std::string& name() const override { return name_; }
  const std::set<ActivityType>& availableActivities() const override { return activities_; }
  /// Nothing if the trace is to be of the CPU alone.
  std::unique_ptr<libkineto::IActivityProfilerSession> configure(const std::set<ActivityType>& types,
                                                                 const libkineto::Config&) override {
    return types.count(ActivityType::CONCURRENT_KERNEL) ? std::make_unique<Session>() : nullptr;
  }
  std::unique_ptr<libkineto::IActivityProfilerSession> configure(int64_t, int64_t, const std::set<ActivityType>& types,
                                                                 const libkineto::Config& config) override {
    return configure(types, config);
  }

 private:
  const std::string name_ = "metal";
  const std::set<ActivityType> activities_{ActivityType::CONCURRENT_KERNEL, ActivityType::GPU_MEMCPY,
                                           ActivityType::PRIVATEUSE1_RUNTIME};
};

REGISTER_PRIVATEUSE1_PROFILER(MetalActivityProfiler);

/// For torch.autograd.profiler.profile(use_device="metal"), which does without Kineto.
class MetalMethods final : public torch::profiler::impl::ProfilerStubs {
 public:
  bool enabled() const override { return true; }
  void record(c10::DeviceIndex* device, torch::profiler::impl::ProfilerVoidEventStub* event,
              int64_t* cpu_ns) const override {
    if (device) *device = 0;
    if (cpu_ns) *cpu_ns = profiler::now_ns();
    auto mark = std::make_shared<Event>(/*timed=*/true);
    mark->record(Stream::current());
    *event = std::move(mark);
  }
  /// Microseconds.
  float elapsed(const torch::profiler::impl::ProfilerVoidEventStub* start,
                const torch::profiler::impl::ProfilerVoidEventStub* end) const override {
    const auto& last = *static_cast<const Event*>(end->get());
    last.synchronize();
    return static_cast<float>(static_cast<const Event*>(start->get())->elapsed_time(last) * 1e3);
  }
  void onEachDevice(std::function<void(int)> visit) const override { visit(0); }
  // What went wrong is for the program's next synchronisation: a profiler that is stopped half-way crashes.
  void synchronize() const override { Stream::wait_all(); }
  // Ranges are marked for tools that watch a process from outside; there is none here.
  void mark(const char*) const override {}
  void rangePush(const char*) const override {}
  void rangePop() const override {}
};

const bool registered = [] {
  static MetalMethods methods;
  torch::profiler::impl::registerPrivateUse1Methods(&methods);
  return true;
}();

}  // namespace

}  // namespace torch_metal
