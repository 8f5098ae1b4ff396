#include "cli/element_type.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <regex>

#include "cli/options.h"

namespace mslc::cli {

namespace {

constexpr ElementType kTypes[] = {
    {"bool", "bool", "|b1", NumberKind::Bool, 1},         {"char", "int8", "|i1", NumberKind::Signed, 1},
    {"uchar", "uint8", "|u1", NumberKind::Unsigned, 1},   {"short", "int16", "<i2", NumberKind::Signed, 2},
    {"ushort", "uint16", "<u2", NumberKind::Unsigned, 2}, {"int", "int32", "<i4", NumberKind::Signed, 4},
    {"uint", "uint32", "<u4", NumberKind::Unsigned, 4},   {"long", "int64", "<i8", NumberKind::Signed, 8},
    {"ulong", "uint64", "<u8", NumberKind::Unsigned, 8},  {"half", "float16", "<f2", NumberKind::Float, 2},
    {"bfloat", "bfloat16", "|V2", NumberKind::Float, 2},  {"float", "float32", "<f4", NumberKind::Float, 4},
};

template <class T>
void append(std::vector<std::byte>& bytes, T value) {
  const auto* const data = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), data, data + sizeof value);
}

bool is_bfloat(const ElementType& type) { return type.code[1] == 'V'; }

// Rounds to nearest, ties to even. Of a NaN the upper half is one.
uint16_t to_bfloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return (bits >> 16) | 0x40;
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

float from_bfloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

void append_float(std::vector<std::byte>& bytes, const ElementType& type, double value) {
  if (is_bfloat(type)) return append(bytes, to_bfloat(value));
  type.size == 2 ? append(bytes, static_cast<_Float16>(value)) : append(bytes, static_cast<float>(value));
}

void append_integer(std::vector<std::byte>& bytes, const ElementType& type, uint64_t value) {
  const size_t start = bytes.size();
  append(bytes, value);
  bytes.resize(start + type.size);  // the lower ones
}

template <class T>
T read(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

int64_t read_signed(const ElementType& type, const std::byte* bytes) {
  switch (type.size) {
    case 1: return read<int8_t>(bytes);
    case 2: return read<int16_t>(bytes);
    case 4: return read<int32_t>(bytes);
    default: return read<int64_t>(bytes);
  }
}

uint64_t read_unsigned(const ElementType& type, const std::byte* bytes) {
  return static_cast<uint64_t>(read_signed(type, bytes)) & (~uint64_t{0} >> (64 - 8 * type.size));
}

float read_float(const ElementType& type, const std::byte* bytes) {
  if (is_bfloat(type)) return from_bfloat(read<uint16_t>(bytes));
  return type.size == 2 ? static_cast<float>(read<_Float16>(bytes)) : read<float>(bytes);
}

bool is_in_range(const ElementType& type, const std::string& text, uint64_t value) {
  const unsigned bits = 8 * type.size;
  const bool is_negative = text[0] == '-';
  if (type.kind == NumberKind::Unsigned) return !is_negative && (bits == 64 || value >> bits == 0);
  const auto number = static_cast<int64_t>(value);
  return (number < 0) == is_negative && number >> (bits - 1) == (is_negative ? -1 : 0);
}

void append_parsed(std::vector<std::byte>& bytes, const ElementType& type, const std::string& text,
                   const std::string& what) {
  char* end = nullptr;
  errno = 0;
  if (type.kind == NumberKind::Bool) {
    const bool is_true = text == "true" || text == "1";
    if (!is_true && text != "false" && text != "0") throw UsageError(what + ": '" + text + "' is not true or false");
    return append(bytes, is_true);
  }
  if (type.kind == NumberKind::Float) {
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end) throw UsageError(what + ": '" + text + "' is not a number");
    return append_float(bytes, type, value);
  }
  const uint64_t value = text[0] == '-' ? std::strtoll(text.c_str(), &end, 0) : std::strtoull(text.c_str(), &end, 0);
  if (text.empty() || *end) throw UsageError(what + ": '" + text + "' is not a whole number");
  if (errno == ERANGE || (value != 0 && !is_in_range(type, text, value)))
    throw UsageError(what + ": " + text + " does not fit into " + type.msl);
  append_integer(bytes, type, value);
}

}  // namespace

const ElementType* element_type_of(const std::string& msl_type) {
  static const std::regex words("(unsigned )?([A-Za-z_]\\w*?)[234]?\\b");
  const ElementType* found = nullptr;
  for (std::sregex_iterator word(msl_type.begin(), msl_type.end(), words), end; word != end; ++word) {
    const std::string name = (word->str(1).empty() ? "" : "u") + word->str(2);
    for (const ElementType& type : kTypes) {
      if (name != type.msl) continue;
      if (found && found != &type) return nullptr;  // a structure of several
      found = &type;
    }
  }
  return found;
}

const ElementType* element_type_from_code(const std::string& code) {
  if (code == "<V2") return element_type_of("bfloat");
  const auto* const found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const ElementType& type) { return code == type.code; });
  return found == std::end(kTypes) ? nullptr : found;
}

void append_number(std::vector<std::byte>& bytes, const ElementType& type, double value) {
  if (type.kind == NumberKind::Float) return append_float(bytes, type, value);
  if (type.kind == NumberKind::Bool) return append(bytes, value != 0);
  append_integer(bytes, type, static_cast<uint64_t>(value));
}

std::vector<std::byte> parse_numbers(const std::string& msl_type, const std::string& text, const std::string& what) {
  const ElementType* const type = element_type_of(msl_type);
  if (!type) throw UsageError(what + ": no number makes a '" + msl_type + "'; give a file");
  std::vector<std::byte> bytes;
  for (const std::string& number : split(text, ',')) append_parsed(bytes, *type, number, what);
  return bytes;
}

std::string to_text(const ElementType& type, const std::byte* bytes) {
  switch (type.kind) {
    case NumberKind::Bool: return read<uint8_t>(bytes) ? "true" : "false";
    case NumberKind::Signed: return std::to_string(read_signed(type, bytes));
    case NumberKind::Unsigned: return std::to_string(read_unsigned(type, bytes));
    case NumberKind::Float: break;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.*g", type.size == 2 ? 5 : 9, read_float(type, bytes));
  return text;
}

}  // namespace mslc::cli
