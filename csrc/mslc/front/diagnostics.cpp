#include "front/diagnostics.h"

#include <regex>
#include <sstream>

#include "front/compiler.h"
#include "front/token_buffer.h"

namespace mslc {

namespace {

struct Substitution {
  std::regex pattern;
  const char* replacement;
};

bool is_message(const std::string& line) {
  return line.find(": error: ") != std::string::npos || line.find(": note: ") != std::string::npos ||
         line.find("error: ") == 0;
}

}  // namespace

std::string in_metal_terms(std::string message) {
  static const Substitution substitutions[] = {
      {std::regex(R"((\w+) __attribute__\(\(ext_vector_type\((\d)\)\)\))"), "$1$2"},
      {std::regex(R"(__fp16\b)"), "half"},
      {std::regex(R"(__bf16\b)"), "bfloat"},
      {std::regex(R"(signed char([234])\b)"), "bool$1"},
      {std::regex(R"(unsigned (char|short|int|long)([234]?)\b)"), "u$1$2"},
      {std::regex(R"((const )?__private )"), "constant "},
      {std::regex(R"(const __global )"), "device const "},
      {std::regex(R"(__global )"), "device "},
      {std::regex(R"(const __local )"), "threadgroup const "},
      {std::regex(R"(__local )"), "threadgroup "},
      {std::regex(R"('([^']*)' \(aka '\1'\))"), "'$1'"},
  };
  for (const Substitution& substitution : substitutions) {
    message = std::regex_replace(message, substitution.pattern, substitution.replacement);
  }
  return message;
}

std::string Diagnostics::text() const {
  std::istringstream lines(raw_);
  std::string line, text;
  const std::string stdlib = std::string(kStdlibPath) + "/";
  bool about_rewrite = false;  // "expanded from" notes about inserted tokens, with their source lines
  while (std::getline(lines, line)) {
    if (is_message(line)) {
      about_rewrite = line.starts_with(kRewrittenFile);
      line = in_metal_terms(line);
    }
    if (about_rewrite) continue;
    for (size_t at; (at = line.find(stdlib)) != std::string::npos;) line.erase(at, stdlib.size());
    text += line + "\n";
  }
  return text;
}

}  // namespace mslc
