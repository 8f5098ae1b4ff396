// The distinct faults of one launch.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mslc {

enum class FaultKind : uint8_t { OutOfBounds, Misaligned, Uninitialised, Race, Barrier };

class Faults {
 public:
  /// True if the first fault of this kind at this line of the source: then describe() it.
  bool is_new(FaultKind kind, const std::string& location);
  void describe(std::string text);

  bool none() const { return seen_.empty(); }
  /// All that was described, a line each, under the kernel's name.
  std::string text(const std::string& kernel) const;

 private:
  static constexpr size_t kMaxDescribed = 10;
  std::set<std::pair<FaultKind, std::string>> seen_;
  std::vector<std::string> descriptions_;
};

}  // namespace mslc
