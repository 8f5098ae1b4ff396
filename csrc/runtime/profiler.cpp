#include "runtime/profiler.h"

#include <ATen/record_function.h>
#include <c10/util/ApproximateClock.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "runtime/device.h"
#include "runtime/stream.h"

namespace torch_metal::profiler {

namespace {

// What the open recordings share; emptied when the last of them is closed. Never destroyed: the device's threads may
// outlive static objects.
struct Log {
  std::mutex mutex;  ///< guards all below
  std::condition_variable finished;
  std::deque<Record> records;
  std::deque<Call> calls;
  uint64_t first = 1;           ///< number of records.front()
  std::set<uint64_t> running;   ///< numbers of operations that have not finished
  int recordings = 0;           ///< that may still read the log
  int64_t device_offset_ns = 0;  ///< from the device's clock to the Unix epoch
  at::CallbackHandle callback = 0;

  uint64_t next() const { return first + records.size(); }
};
Log& log() {
  static auto* const instance = new Log();
  return *instance;
}

// Reads both clocks several times: the closest pair was not interrupted in between.
int64_t device_offset_ns() {
  constexpr int kSamples = 8;
  int64_t best_gap = INT64_MAX, offset = 0;
  for (int i = 0; i < kSamples; ++i) {
    MTL::Timestamp cpu = 0, gpu = 0;
    const int64_t before = now_ns();
    device()->sampleTimestamps(&cpu, &gpu);
    const int64_t after = now_ns();
    if (after - before >= best_gap) continue;
    best_gap = after - before;
    offset = before + best_gap / 2 - static_cast<int64_t>(cpu);
  }
  return offset;
}

// The operator calls of a thread form a chain, innermost first.
struct CallContext final : at::ObserverContext {
  Call call;
  CallContext* outer = nullptr;
  bool has_encoded = false;
};
thread_local CallContext* current_call = nullptr;
thread_local std::vector<uint64_t> correlations;

// What formulas of flops and bytes are made of; nothing that keeps a tensor alive.
c10::IValue sizes_of(const at::Tensor& tensor) {
  const bool has_sizes = tensor.defined() && !tensor.is_nested() && !tensor.key_set().has(c10::DispatchKey::Python);
  return has_sizes ? c10::IValue(tensor.sizes()) : c10::IValue();
}

c10::IValue sizes_of(const c10::IValue& value) {
  if (value.isTensor()) return sizes_of(value.toTensor());
  const bool plain = value.isInt() || value.isDouble() || value.isBool() || value.isIntList() || value.isBoolList();
  return plain ? value : c10::IValue();
}

std::vector<c10::IValue> sizes_of_all(c10::ArrayRef<const c10::IValue> values) {
  std::vector<c10::IValue> sizes;
  sizes.reserve(values.size());
  for (const c10::IValue& value : values) sizes.push_back(sizes_of(value));
  return sizes;
}

std::unique_ptr<at::ObserverContext> begin_call(const at::RecordFunction& function) {
  static std::atomic<uint64_t> next_id{1};
  auto context = std::make_unique<CallContext>();
  context->call.id = next_id.fetch_add(1, std::memory_order_relaxed);
  context->call.name = function.name();
  context->call.thread = at::RecordFunction::currentThreadId();
  context->call.inputs = sizes_of_all(function.inputs());
  context->outer = std::exchange(current_call, context.get());
  context->call.start_ns = now_ns();
  return context;
}

void end_call(const at::RecordFunction& function, at::ObserverContext* observed) {
  auto* const context = static_cast<CallContext*>(observed);
  if (!context) return;
  // Such scopes end on the thread that they began on, mostly in reverse order.
  for (CallContext** link = &current_call; *link; link = &(*link)->outer) {
    if (*link != context) continue;
    *link = context->outer;
    break;
  }
  if (!context->has_encoded) return;
  context->call.end_ns = now_ns();
  const std::vector<c10::IValue>& outputs = function.outputs();
  context->call.outputs = sizes_of_all(c10::ArrayRef<const c10::IValue>(outputs.data(), outputs.size()));
  const std::lock_guard<std::mutex> lock(log().mutex);
  if (log().recordings) log().calls.push_back(std::move(context->call));
}

// The caller holds the log's mutex.
void start_log() {
  log().device_offset_ns = device_offset_ns();
  log().callback = at::addGlobalCallback(at::RecordFunctionCallback(&begin_call, &end_call)
                                             .needsInputs(true)
                                             .needsOutputs(true)
                                             .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
}

void clear_log() {
  at::removeCallback(log().callback);
  log().first = log().next();
  log().records.clear();
  log().calls.clear();
}

int64_t to_unix_ns(CFTimeInterval device_seconds) {
  return static_cast<int64_t>(device_seconds * 1e9) + log().device_offset_ns;
}

// Runs on a thread of the device.
void finish(uint64_t number, MTL::CommandBuffer* buffer) {
  const NS::Error* const error = buffer->error();
  std::string text = error ? error->localizedDescription()->utf8String() : "";
  const std::lock_guard<std::mutex> lock(log().mutex);
  log().running.erase(number);
  log().finished.notify_all();
  if (number < log().first) return;  // nobody waited for it
  Record& record = log().records[number - log().first];
  record.start_ns = to_unix_ns(buffer->GPUStartTime());
  record.end_ns = to_unix_ns(buffer->GPUEndTime());
  record.error = std::move(text);
}

}  // namespace

int64_t now_ns() { return c10::getTime(); }

void record(const Operation& operation, c10::StreamId stream, MTL::CommandBuffer* buffer) {
  Record record;
  static_cast<Operation&>(record) = operation;
  record.stream = stream;
  record.thread = at::RecordFunction::currentThreadId();
  record.correlation = correlations.empty() ? 0 : correlations.back();
  record.encode_end_ns = now_ns();
  if (record.encode_start_ns == 0) record.encode_start_ns = record.encode_end_ns;  // it began before the recording
  if (current_call) {
    current_call->has_encoded = true;
    record.call = current_call->call.id;
    record.operator_name = current_call->call.name;
  }
  const std::lock_guard<std::mutex> lock(log().mutex);
  const uint64_t number = record.number = log().next();
  log().records.push_back(std::move(record));
  log().running.insert(number);
  buffer->addCompletedHandler([number](MTL::CommandBuffer* done) { finish(number, done); });
}

Recording::Recording() : start_ns_(now_ns()) {
  const std::lock_guard<std::mutex> lock(log().mutex);
  if (log().recordings == 0) start_log();
  ++log().recordings;
  first_ = log().next();
  ++detail::open_recordings;
}

Recording::~Recording() {
  if (open_) close();
}

Trace Recording::stop() {
  TORCH_INTERNAL_ASSERT(open_, "a recording is stopped once");
  uint64_t end;
  {
    const std::lock_guard<std::mutex> lock(log().mutex);
    end = log().next();
  }
  Stream::wait_all();  // commits what is open; its handlers may not have run yet
  Trace trace;
  trace.start_ns = start_ns_;
  std::unique_lock<std::mutex> lock(log().mutex);
  log().finished.wait(lock, [&] { return log().running.empty() || *log().running.begin() >= end; });
  trace.end_ns = now_ns();
  const auto records = log().records.begin();
  trace.records.assign(records + (first_ - log().first), records + (end - log().first));
  for (const Call& call : log().calls)
    if (call.end_ns >= start_ns_) trace.calls.push_back(call);
  lock.unlock();
  close();
  return trace;
}

void Recording::close() {
  open_ = false;
  --detail::open_recordings;
  const std::lock_guard<std::mutex> lock(log().mutex);
  if (--log().recordings == 0) clear_log();
}

void push_correlation(uint64_t id) { correlations.push_back(id); }

void pop_correlation() {
  if (!correlations.empty()) correlations.pop_back();
}

}  // namespace torch_metal::profiler
