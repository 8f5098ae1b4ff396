#include "cli/npy.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <regex>

#include "cli/options.h"

namespace mslc::cli {

namespace {

constexpr char kMagic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};
constexpr size_t kAlignment = 64;

[[noreturn]] void fail(const std::string& path, const std::string& why) { throw UsageError("'" + path + "': " + why); }

uint32_t little_endian(const std::string& text, size_t at, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes; ++i)
    value |= static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])) << (8 * i);
  return value;
}

// The value that the header has for `key`.
std::string field(const std::string& path, const std::string& header, const std::string& key,
                  const std::string& value) {
  std::smatch match;
  if (!std::regex_search(header, match, std::regex("'" + key + "'\\s*:\\s*" + value)))
    fail(path, "no " + key + " in its header");
  return match[1];
}

size_t element_size(const std::string& path, const std::string& code) {
  std::smatch match;
  if (code.starts_with('>')) fail(path, "big-endian numbers; save it as a.astype(a.dtype.newbyteorder('='))");
  if (!std::regex_match(code, match, std::regex("[<|=]?[?bBiufcV]([0-9]{1,2})")))
    fail(path, "elements '" + code + "' are not numbers");
  return std::stoul(match[1]);
}

}  // namespace

Array read_npy(const std::string& path) {
  const std::string text = read_file(path);
  if (text.size() < 12 || std::memcmp(text.data(), kMagic, sizeof kMagic) != 0) fail(path, "not an .npy file");
  const size_t length_bytes = text[6] == 1 ? 2 : 4;  // version 1 or later
  const size_t start = 8 + length_bytes;
  const size_t length = little_endian(text, 8, length_bytes);
  if (text.size() - start < length) fail(path, "cut short");
  const std::string header = text.substr(start, length);
  if (field(path, header, "fortran_order", "(True|False)") == "True")
    fail(path, "in Fortran order; save it as numpy.ascontiguousarray(a)");

  Array array;
  array.code = field(path, header, "descr", "'([^']*)'");
  size_t size = element_size(path, array.code);
  const std::string shape = field(path, header, "shape", "\\(([0-9, ]*)\\)");
  static const std::regex digits("[0-9]+");
  for (std::sregex_iterator number(shape.begin(), shape.end(), digits), end; number != end; ++number) {
    array.shape.push_back(std::stoull(number->str()));
    if (__builtin_mul_overflow(size, array.shape.back(), &size)) fail(path, "too large");
  }
  if (text.size() - start - length != size) fail(path, "cut short, or longer than its header says");
  const auto* const data = reinterpret_cast<const std::byte*>(text.data()) + start + length;
  array.bytes.assign(data, data + size);
  return array;
}

void write_npy(const std::string& path, const Array& array) {
  std::string shape;
  for (const size_t length : array.shape) shape += std::to_string(length) + ", ";
  if (array.shape.size() > 1) shape.resize(shape.size() - 2);
  std::string header = "{'descr': '" + array.code + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  const size_t before = sizeof kMagic + 4;
  header.append(kAlignment - 1 - (before + header.size()) % kAlignment, ' ');
  header += '\n';
  std::ofstream stream(path, std::ios::binary);
  stream.write(kMagic, sizeof kMagic);
  stream << '\1' << '\0' << static_cast<char>(header.size() & 255) << static_cast<char>(header.size() >> 8) << header;
  stream.write(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  stream.flush();
  if (!stream) throw UsageError("cannot write '" + path + "': " + std::strerror(errno));
}

}  // namespace mslc::cli
