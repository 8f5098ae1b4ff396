// What validating code is told of each instruction that it checks. Made with the code, kept with it in the cache.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mslc {

class ByteReader;
class ByteWriter;

/// The longest value that checks can compare.
inline constexpr uint64_t kMaxValueBytes = 8;

struct CheckSite {
  enum class Kind : uint8_t { Read, Write, ReadWrite, Barrier };
  /// What the address was computed from, if that is one thing whatever the path.
  enum class Object : uint8_t { Unknown, Buffer, ThreadgroupArgument, ThreadgroupVariable, Constant };

  std::string location;  ///< "softmax.metal:12"
  Kind kind = Kind::Read;
  bool is_atomic = false;
  bool is_copy = false;      ///< of a whole structure, whose padding nobody may have written
  uint64_t bytes = 0;        ///< that a thread accesses
  uint64_t alignment = 1;    ///< that the address must have
  Object object = Object::Unknown;
  std::string name;           ///< of the argument or variable
  unsigned index = 0;         ///< of the argument in its table
  uint64_t object_bytes = 0;  ///< of a variable or constant
  uint64_t element_bytes = 0; ///< of an argument's pointee

  bool writes() const { return kind == Kind::Write || kind == Kind::ReadWrite; }
  /// The checks get the value that is written, as 64 bits.
  bool has_value() const { return kind == Kind::Write && !is_copy && bytes <= kMaxValueBytes; }
};

std::string serialise(const std::vector<CheckSite>& sites);
/// Throws std::runtime_error if the bytes are no list of sites.
std::vector<CheckSite> deserialise_sites(std::string_view bytes);

}  // namespace mslc
