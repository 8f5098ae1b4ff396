// Formats of os_log, the part of printf's that Metal has: what they mean, and messages made by them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mslc {

/// `%[flags][width][.precision][vN][length]conversion`.
struct LogSpecifier {
  size_t begin = 0, end = 0;  ///< where it stands in the format
  std::string layout;         ///< flags, width and precision
  unsigned elements = 1;      ///< N of a vector
  std::string length;         ///< hh, h, hl, l, ll or nothing
  char conversion = 0;        ///< d i u x X o c, f F e E g G a A, p; % for itself, which takes no argument

  bool is_float() const { return std::string_view("fFeEgGaA").find(conversion) != std::string_view::npos; }
  /// Of an argument's element; 0 if the length leaves it open.
  unsigned bytes() const;
};

/// The specifiers of a format in their order. Throws std::invalid_argument, which says what is wrong.
std::vector<LogSpecifier> parse_log_format(std::string_view format);

/// The message. `words` holds an element of an argument each: integers extended to 64 bits, floats as their 32 bits.
std::string format_log(std::string_view format, const std::vector<uint64_t>& words);

}  // namespace mslc
