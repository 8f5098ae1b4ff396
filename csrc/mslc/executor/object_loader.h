// Loads an ELF relocatable into this process. Knows the few kinds of relocations that the compiler's objects have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace mslc {

/// Code and constants of one object, mapped readable and executable.
class LoadedObject {
 public:
  /// `symbols` are those that the object may refer to beside libc's and libm's.
  /// Throws std::runtime_error if the object is malformed, for another machine, or refers to an unknown symbol.
  LoadedObject(std::string_view object, const std::map<std::string, void*>& symbols);
  ~LoadedObject();
  LoadedObject(const LoadedObject&) = delete;
  LoadedObject& operator=(const LoadedObject&) = delete;

  /// Address of a function of the object; null if it has none of that name.
  void* find(const std::string& name) const;
  /// All that is mapped.
  const std::byte* memory() const { return memory_; }
  size_t bytes() const { return size_; }

 private:
  std::byte* memory_ = nullptr;
  size_t size_ = 0;
  std::map<std::string, void*> functions_;
};

}  // namespace mslc
