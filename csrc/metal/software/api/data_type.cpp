#include "api/data_type.h"

#include <array>
#include <string>

namespace metal_software {
namespace {

// The scalars; vectors of 2, 3 and 4 follow each in the numbering.
struct Scalar {
  std::string_view name;
  MTL::DataType type;
  size_t size;
};

constexpr std::array<Scalar, 12> kScalars{{
    {"float", MTL::DataTypeFloat, 4},
    {"half", MTL::DataTypeHalf, 2},
    {"int", MTL::DataTypeInt, 4},
    {"uint", MTL::DataTypeUInt, 4},
    {"short", MTL::DataTypeShort, 2},
    {"ushort", MTL::DataTypeUShort, 2},
    {"char", MTL::DataTypeChar, 1},
    {"uchar", MTL::DataTypeUChar, 1},
    {"bool", MTL::DataTypeBool, 1},
    {"long", MTL::DataTypeLong, 8},
    {"ulong", MTL::DataTypeULong, 8},
    {"bfloat", MTL::DataTypeBFloat, 2},
}};

constexpr std::string_view kQualifiers[] = {"device", "constant", "threadgroup", "const", "volatile", "coherent"};

bool is_qualifier(std::string_view word) {
  for (const std::string_view qualifier : kQualifiers)
    if (word == qualifier) return true;
  return false;
}

// "float4" -> 4, with the digit cut off; 1 without one.
unsigned cut_width(std::string_view& name) {
  if (name.empty() || name.back() < '2' || name.back() > '4') return 1;
  const unsigned width = name.back() - '0';
  name.remove_suffix(1);
  return width;
}

}  // namespace

size_t size_of(MTL::DataType type) {
  for (const Scalar& scalar : kScalars) {
    if (type < scalar.type || type > scalar.type + 3) continue;
    const unsigned width = type - scalar.type + 1;
    return scalar.size * (width == 3 ? 4 : width);
  }
  return 0;
}

MTL::DataType element_type(std::string_view argument_type) {
  std::string_view name;
  for (size_t at = 0; at < argument_type.size();) {
    const size_t begin = argument_type.find_first_not_of(" *&", at);
    if (begin == std::string_view::npos) break;
    at = std::min(argument_type.find_first_of(" *&", begin), argument_type.size());
    const std::string_view word = argument_type.substr(begin, at - begin);
    if (is_qualifier(word)) continue;
    if (!name.empty()) return MTL::DataTypeStruct;  // "struct Params", "unsigned int"
    name = word;
  }
  const unsigned width = cut_width(name);
  for (const Scalar& scalar : kScalars)
    if (scalar.name == name) return MTL::DataType(scalar.type + width - 1);
  return MTL::DataTypeStruct;
}

}  // namespace metal_software
