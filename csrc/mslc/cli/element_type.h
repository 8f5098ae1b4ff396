// Scalars as MSL and as NumPy call them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mslc::cli {

enum class NumberKind { Bool, Signed, Unsigned, Float };

struct ElementType {
  const char* msl;    ///< "uint"
  const char* numpy;  ///< "uint32"
  const char* code;   ///< in an .npy file's header: "<u4"
  NumberKind kind;
  size_t size;  ///< bytes
};

/// What a type of MSL is made of, seen through pointers, vectors and atomics: float for "device const float4*". Null
/// for a structure.
const ElementType* element_type_of(const std::string& msl_type);
/// The type that an .npy header calls `code`; null for one that MSL lacks.
const ElementType* element_type_from_code(const std::string& code);

/// A number as `type` has it in memory; out-of-range integers throw UsageError.
void append_number(std::vector<std::byte>& bytes, const ElementType& type, double value);
/// Numbers separated by commas, of MSL's type `msl_type`. Throws UsageError that starts with `what`.
std::vector<std::byte> parse_numbers(const std::string& msl_type, const std::string& text, const std::string& what);
/// The number at `bytes`, as text.
std::string to_text(const ElementType& type, const std::byte* bytes);

}  // namespace mslc::cli
