#include "executor/log_format.h"

#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace mslc {

namespace {

class FormatReader {
 public:
  FormatReader(std::string_view format, size_t at) : format_(format), at_(at) {}

  /// The specifier after the `%` at the start.
  LogSpecifier read() {
    LogSpecifier found;
    found.begin = at_++;
    found.layout = take_while("-+ #0");
    found.layout += take_while("0123456789");
    if (peek() == '.') {
      ++at_;
      found.layout += "." + take_while("0123456789");
    }
    if (found.layout.size() > kMaxLayout) fail(found, "is too wide");
    if (peek() == 'v') {
      ++at_;
      found.elements = peek() >= '2' && peek() <= '4' ? peek() - '0' : 0;
      if (found.elements == 0) fail(found, "needs 2, 3 or 4 after 'v'");
      ++at_;
    }
    found.length = take_while("hl");
    found.conversion = peek();
    if (found.conversion == 0 || !std::strchr("diuxXocfFeEgGaAp%", found.conversion)) fail(found, "is not known");
    for (const char* known : {"", "hh", "h", "hl", "l", "ll"})
      if (found.length == known) {
        found.end = ++at_;
        return found;
      }
    fail(found, "has no such length");
  }

 private:
  static constexpr size_t kMaxLayout = 16;

  char peek() const { return at_ < format_.size() ? format_[at_] : 0; }
  std::string take_while(const char* set) {
    const size_t start = at_;
    while (peek() && std::strchr(set, peek())) ++at_;
    return std::string(format_.substr(start, at_ - start));
  }
  [[noreturn]] void fail(const LogSpecifier& at, const char* what) const {
    throw std::invalid_argument("'" + std::string(format_.substr(at.begin, at_ + 1 - at.begin)) + "' " + what);
  }

  std::string_view format_;
  size_t at_;
};

template <class Value>
std::string print(const std::string& format, Value value) {
  char text[512];  // a layout has at most 16 characters, but they may ask for more
  const int length = std::snprintf(text, sizeof text, format.c_str(), value);
  return std::string(text, std::min<size_t>(std::max(length, 0), sizeof text - 1));
}

std::string format_element(const LogSpecifier& specifier, uint64_t word) {
  const std::string start = "%" + specifier.layout, conversion(1, specifier.conversion);
  if (specifier.is_float()) {
    const uint32_t bits = static_cast<uint32_t>(word);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return print(start + conversion, static_cast<double>(value));
  }
  if (specifier.conversion == 'p') return print(start + "p", reinterpret_cast<void*>(word));
  const unsigned bits = 8 * (specifier.bytes() ? specifier.bytes() : 4);
  if (specifier.conversion == 'c') return print(start + "c", static_cast<int>(word));
  const uint64_t high = word << (64 - bits);
  if (specifier.conversion == 'd' || specifier.conversion == 'i')
    return print(start + "ll" + conversion, static_cast<long long>(high) >> (64 - bits));
  return print(start + "ll" + conversion, static_cast<unsigned long long>(high >> (64 - bits)));
}

}  // namespace

unsigned LogSpecifier::bytes() const {
  if (conversion == 'p') return 8;
  if (length == "hh") return 1;
  if (length == "h") return 2;
  if (length == "hl") return 4;
  if (!length.empty()) return 8;
  return 0;
}

std::vector<LogSpecifier> parse_log_format(std::string_view format) {
  std::vector<LogSpecifier> specifiers;
  for (size_t at = format.find('%'); at != std::string_view::npos; at = format.find('%', specifiers.back().end))
    specifiers.push_back(FormatReader(format, at).read());
  return specifiers;
}

std::string format_log(std::string_view format, const std::vector<uint64_t>& words) {
  std::string message;
  size_t done = 0, word = 0;
  for (const LogSpecifier& specifier : parse_log_format(format)) {
    message += format.substr(done, specifier.begin - done);
    done = specifier.end;
    if (specifier.conversion == '%') {
      message += '%';
      continue;
    }
    for (unsigned i = 0; i < specifier.elements; ++i, ++word)
      message += (i ? ", " : "") + format_element(specifier, word < words.size() ? words[word] : 0);
  }
  return message += format.substr(done);
}

}  // namespace mslc
