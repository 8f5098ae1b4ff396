#include "executor/log.h"

#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "executor/abi.h"
#include "executor/log_format.h"

namespace mslc {

namespace {

constexpr unsigned kLanes = 32;

struct Message {
  uint64_t level = 0;
  const char* subsystem = "";
  const char* category = "";
  const char* format = "";
  std::vector<uint64_t> words;
};

const char* level_name(uint64_t level) {
  constexpr const char* kNames[] = {"", "debug: ", "info: ", "error: ", "fault: "};
  return level < std::size(kNames) ? kNames[level] : "";
}

/// One write each, so that threads' messages do not mix. What cannot be written is lost, as on a GPU whose log is full.
void send(const Message& message) {
  std::string text;
  if (*message.subsystem || *message.category)
    text = "[" + std::string(message.subsystem) + ":" + message.category + "] ";
  text += level_name(message.level) + format_log(message.format, message.words) + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void take(Message& message, uint32_t part, uint64_t value) {
  const auto text = [&] { return value ? reinterpret_cast<const char*>(value) : ""; };
  switch (static_cast<LogPart>(part)) {
    case LogPart::Level: message = {value}; break;
    case LogPart::Subsystem: message.subsystem = text(); break;
    case LogPart::Category: message.category = text(); break;
    case LogPart::Word: message.words.push_back(value); break;
    case LogPart::Format:
      message.format = text();
      send(message);
      break;
  }
}

}  // namespace

void log_lanes(const uint64_t* values, uint32_t mask, uint32_t part) {
  thread_local std::unique_ptr<std::array<Message, kLanes>> messages;
  try {
    if (!messages) messages = std::make_unique<std::array<Message, kLanes>>();
    for (unsigned lane = 0; lane < kLanes; ++lane)
      if (mask >> lane & 1) take((*messages)[lane], part, values[lane]);
  } catch (const std::exception&) {
    // Generated code is above, through which no exception may pass: without memory, messages are lost.
  }
}

}  // namespace mslc
