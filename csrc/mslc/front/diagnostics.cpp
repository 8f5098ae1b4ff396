#include "front/diagnostics.h"

#include <regex>
#include <sstream>
#include <vector>

#include "front/compiler.h"
#include "front/token_buffer.h"

namespace mslc {

namespace {

struct Substitution {
  std::regex pattern;
  const char* replacement;
};

// "place: kind: text", and the lines below it: the source, the caret.
struct Message {
  std::string place, kind, text, below;
  bool in(const std::string& file) const { return place.starts_with(file); }
};

const std::string& stdlib_prefix() {
  static const std::string prefix = std::string(kStdlibPath) + "/";
  return prefix;
}

std::vector<Message> split(const std::string& raw) {
  static const std::regex header(R"((?:(\S.*?:\d+:\d+): )?(error|note|fatal error): (.*))");
  std::vector<Message> messages;
  std::istringstream lines(raw);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, header)) {
      messages.push_back({match[1], match[2], in_metal_terms(match[3]), ""});
    } else if (!messages.empty() && !line.starts_with("In file included from")) {
      messages.back().below += line + "\n";
    } else {
      messages.push_back({"", "", line, ""});
    }
  }
  return messages;
}

std::string join(const Message& message) {
  std::string place = message.place;
  const bool in_library = message.in(stdlib_prefix());
  if (in_library) place.erase(0, stdlib_prefix().size());
  const std::string header = message.kind.empty() ? "" : (place.empty() ? "" : place + ": ") + message.kind + ": ";
  // A candidate's declaration matters; the text of the library does not.
  return header + message.text + "\n" + (in_library && message.kind == "note" ? "" : message.below);
}

// What the library asserts about its arguments is the user's mistake, made where the user asked for the instance.
void move_to_user(std::vector<Message>& messages, size_t error) {
  const size_t none = messages.size();
  size_t user = none;
  for (size_t i = error + 1; i < messages.size() && !messages[i].kind.ends_with("error"); ++i) {
    const bool asks = messages[i].text.ends_with("requested here") || messages[i].text.starts_with("in instantiation of");
    if (asks && user == none && !messages[i].in(stdlib_prefix()) && !messages[i].in(kRewrittenFile)) user = i;
  }
  if (user == none) return;
  static const std::regex assertion(R"(static assertion failed(?: due to requirement '.*?')?: (.*))");
  std::smatch match;
  if (std::regex_match(messages[error].text, match, assertion)) messages[error].text = std::string(match[1]);
  messages[error].place = messages[user].place;
  messages[error].below = messages[user].below;
  for (size_t i = error + 1; i <= user; ++i) messages[i].kind = "dropped";
}

// "expanded from" notes about inserted tokens, and about the macros that write the library's overloads.
bool is_about_internals(const Message& message) {
  return message.kind == "dropped" || message.in(kRewrittenFile) ||
         (message.kind == "note" && message.in(stdlib_prefix()) && message.text.starts_with("expanded from macro '__MSL"));
}

}  // namespace

std::string in_metal_terms(std::string message) {
  static const Substitution substitutions[] = {
      {std::regex(R"((\w+) __attribute__\(\(ext_vector_type\((\d)\)\)\))"), "$1$2"},
      {std::regex(R"(__fp16\b)"), "half"},
      {std::regex(R"(__bf16\b)"), "bfloat"},
      {std::regex(R"((?:signed char|__truth)([234])\b)"), "bool$1"},
      {std::regex(R"('signed char')"), "'bool'"},
      {std::regex(R"((?:metal::)?__truth\b)"), "bool"},
      {std::regex(R"(unsigned (char|short|int|long)([234]?)\b)"), "u$1$2"},
      {std::regex(R"(address space '__global')"), "the device address space"},
      {std::regex(R"(address space '__local')"), "the threadgroup address space"},
      {std::regex(R"(address space '__private')"), "the constant address space"},
      {std::regex(R"(generic address space)"), "the thread address space"},
      {std::regex(R"((const )?__private )"), "constant "},
      {std::regex(R"(const __global )"), "device const "},
      {std::regex(R"(__global )"), "device "},
      {std::regex(R"(const __local )"), "threadgroup const "},
      {std::regex(R"(__local )"), "threadgroup "},
      {std::regex(R"('([^']*)' \(aka '\1'\))"), "'$1'"},
      {std::regex(R"( \(aka 'type-parameter-[^']*'\))"), ""},
      {std::regex(R"(use of undeclared identifier '__msl_defined_(\w+)')"), "'$1' is not a function constant"},
  };
  for (const Substitution& substitution : substitutions) {
    message = std::regex_replace(message, substitution.pattern, substitution.replacement);
  }
  return message;
}

std::string Diagnostics::text() const {
  std::vector<Message> messages = split(raw_);
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].kind == "error" && messages[i].in(stdlib_prefix())) move_to_user(messages, i);
  }
  std::string text;
  for (const Message& message : messages) {
    if (!is_about_internals(message)) text += join(message);
  }
  return text;
}

}  // namespace mslc
