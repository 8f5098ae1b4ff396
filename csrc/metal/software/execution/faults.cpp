#include "execution/faults.h"

#include <array>
#include <cctype>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "execution/submission.h"
#include "execution/text.h"
#include "metal/faults.h"

namespace metal_software {

std::atomic<bool> detail::faults_are_wanted{false};

namespace {

constexpr std::array<std::string_view, 12> kPlaces{
    "open_device", "new_command_queue", "new_command_buffer", "new_encoder", "new_buffer", "new_residency_set",
    "new_event",   "new_library",       "new_function",       "new_pipeline", "new_graph",  "command_buffer"};

struct Failure {
  std::string_view name;
  MTL::CommandBufferError code;
  const char* text;
};

// How command buffers end on a GPU.
constexpr std::array kFailures{
    Failure{"internal", MTL::CommandBufferErrorInternal, "Internal Error"},
    Failure{"timeout", MTL::CommandBufferErrorTimeout, "Caused GPU Timeout Error"},
    Failure{"page_fault", MTL::CommandBufferErrorPageFault, "Caused GPU Address Fault Error"},
    Failure{"access_revoked", MTL::CommandBufferErrorAccessRevoked, "Ignored (for causing prior/excessive GPU errors)"},
    Failure{"not_permitted", MTL::CommandBufferErrorNotPermitted,
            "Insufficient Permission (to submit GPU work from background)"},
    Failure{"out_of_memory", MTL::CommandBufferErrorOutOfMemory, "Insufficient Memory"},
    Failure{"invalid_resource", MTL::CommandBufferErrorInvalidResource, "Invalid Resource"},
    Failure{"memoryless", MTL::CommandBufferErrorMemoryless, "Insufficient Memoryless Attachments"},
    Failure{"device_removed", MTL::CommandBufferErrorDeviceRemoved, "The device was removed"},
    Failure{"stack_overflow", MTL::CommandBufferErrorStackOverflow, "Stack Overflow"},
};

/// One fault that is wanted.
struct Fault {
  Place place;
  const Failure* failure = nullptr;  ///< of a command buffer
  uint64_t above_bytes = 0;          ///< counts buffers that are larger, if not 0
  uint64_t first = 1;                ///< number of the call, counted from 1, that fails,
  bool goes_on = true;               ///< and whether those after it fail too
  uint64_t calls = 0;
};

// Never destroyed: the device's threads may outlive static objects.
struct State {
  std::mutex mutex;  ///< guards all below
  std::vector<Fault> faults;
  uint64_t happened = 0;
  bool device_is_removed = false;
};

State& state() {
  static auto* const instance = new State;
  return *instance;
}

/// A text that is read from the left.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view word() {
    return take([](unsigned char c) { return std::islower(c) || c == '_'; });
  }
  uint64_t number() {
    const std::string_view digits = take([](unsigned char c) { return std::isdigit(c) != 0; });
    if (digits.empty() || digits.size() > 18) throw std::invalid_argument("a number is missing or too large");
    return std::stoull(std::string(digits));
  }
  uint64_t bytes() {
    const uint64_t count = number();
    return count << (skip('K') ? 10 : skip('M') ? 20 : skip('G') ? 30 : 0);
  }

 private:
  template <class Predicate>
  std::string_view take(Predicate belongs) {
    size_t length = 0;
    while (length < rest_.size() && belongs(rest_[length])) ++length;
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }
  std::string_view rest_;
};

template <class Names, class NameOf>
std::string listed(const Names& names, NameOf name_of) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name_of(name));
  return text;
}

Place read_place(Reader& reader) {
  const std::string_view name = reader.word();
  for (size_t i = 0; i < kPlaces.size(); ++i)
    if (kPlaces[i] == name) return static_cast<Place>(i);
  throw std::invalid_argument(concat("'", name, "' is none of ", listed(kPlaces, [](auto place) { return place; })));
}

const Failure& read_failure(Reader& reader) {
  const std::string_view name = reader.word();
  for (const Failure& failure : kFailures)
    if (failure.name == name) return failure;
  throw std::invalid_argument(concat("'", name, "' is none of ", listed(kFailures, [](auto& f) { return f.name; })));
}

// PLACE[>BYTES][:N[+]][=FAILURE]
Fault read_fault(Reader& reader) {
  Fault fault{read_place(reader)};
  if (reader.skip('>')) fault.above_bytes = reader.bytes();
  if (reader.skip(':')) {
    fault.first = reader.number();
    fault.goes_on = reader.skip('+');
  }
  const bool ends_in_failure = reader.skip('=');
  if (ends_in_failure != (fault.place == Place::command_buffer))
    throw std::invalid_argument("command_buffer ends in a failure, '=timeout', and nothing else does");
  if (ends_in_failure) fault.failure = &read_failure(reader);
  if (fault.above_bytes && fault.place != Place::new_buffer)
    throw std::invalid_argument("only new_buffer has a size");
  return fault;
}

std::vector<Fault> read_all(std::string_view text) try {
  std::vector<Fault> faults;
  Reader reader(text);
  while (!reader.at_end()) {
    faults.push_back(read_fault(reader));
    if (!reader.at_end() && !reader.skip(',')) throw std::invalid_argument("a comma is missing");
  }
  return faults;
} catch (const std::invalid_argument& error) {
  throw std::invalid_argument(concat("faults '", text, "': ", error.what()));
}

/// The fault that hits this call, if any. The caller holds the mutex.
const Fault* find_fault(Place place, uint64_t bytes) {
  const Fault* found = nullptr;
  for (Fault& fault : state().faults) {
    if (fault.place != place || (fault.above_bytes && bytes <= fault.above_bytes)) continue;
    ++fault.calls;
    if (fault.calls == fault.first || (fault.goes_on && fault.calls > fault.first)) found = &fault;
  }
  if (found) ++state().happened;
  return found;
}

const Failure& device_removed() {
  for (const Failure& failure : kFailures)
    if (failure.code == MTL::CommandBufferErrorDeviceRemoved) return failure;
  std::abort();
}

}  // namespace

// A device that is removed makes nothing any more.
bool detail::take_fault(Place place, uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  return state().device_is_removed || find_fault(place, bytes);
}

void detail::fail_if_wanted(Submission& submission) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  const Fault* const fault = find_fault(Place::command_buffer, 0);
  if (!fault && !state().device_is_removed) return;
  const Failure& failure = state().device_is_removed ? device_removed() : *fault->failure;
  if (failure.code == MTL::CommandBufferErrorDeviceRemoved) state().device_is_removed = true;
  submission.fail(failure.code, failure.text);
  submission.first = nullptr;  // not even signals: a GPU makes no promise
}

void read_faults() {
  static const bool read = [] {
    const char* const text = std::getenv("TORCH_METAL_FAULTS");
    if (text && *text) torch_metal::inject_faults(text);
    return true;
  }();
  (void)read;
}

}  // namespace metal_software

namespace torch_metal {

using metal_software::state;

void inject_faults(const std::string& text) {
  auto faults = metal_software::read_all(text);
  const std::lock_guard<std::mutex> lock(state().mutex);
  state().faults = std::move(faults);
  state().happened = 0;
  state().device_is_removed = false;
  metal_software::detail::faults_are_wanted = !state().faults.empty();
}

uint64_t injected_faults() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  return state().happened;
}

}  // namespace torch_metal
