// The executor's half of validation mode: checks what the threads of one launch do, and remembers what is wrong.
//
// One CPU thread runs all threadgroups of the launch, so that nothing here is shared and reports do not vary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "mslc/mslc.h"
#include "validate/check_site.h"
#include "validate/faults.h"
#include "validate/shadow_memory.h"
#include "validate/thread_position.h"

namespace mslc {

struct MemoryRange {
  const std::byte* start = nullptr;
  size_t bytes = 0;
  bool contains(const void* address, size_t count) const {
    const size_t offset = static_cast<const std::byte*>(address) - start;
    return start && offset <= bytes && count <= bytes - offset;
  }
};

class Validator {
 public:
  /// What addresses may point at beside the buffers of the launch.
  struct Memory {
    MemoryRange threadgroup;
    const uint64_t* threadgroup_offsets;  ///< of each [[threadgroup(i)]] argument
    MemoryRange constants;                ///< of the compiled code
    MemoryRange stacks;                   ///< of the fibers that run threads
  };

  Validator(const KernelInfo& info, const std::vector<CheckSite>& sites, const Launch& launch, const Memory& memory);

  void begin_group(uint64_t group);
  const GroupShape& group() const { return shape_; }
  /// Code of this SIMD-group runs from here on.
  void enter(unsigned simdgroup) { simdgroup_ = simdgroup; }
  unsigned current() const { return simdgroup_; }
  /// The current SIMD-group comes to a barrier; has been let go by it; ends.
  void arrive(uint32_t mask, uint32_t site);
  void go_on(uint32_t flags);
  /// The current SIMD-group has come to a fence.
  void fence();
  void end() { waits_[simdgroup_].ended = true; }

  /// The address that a lane may access in place of `address`.
  void* check(void* address, void* object, const uint64_t* values, unsigned lane, const CheckSite& site);
  /// Finds stores of different values by lanes of one SIMD-group to one address.
  void check_conflicts(void* const* addresses, const uint64_t* values, uint32_t mask, const CheckSite& site);

  /// What a lane may access where it must not access anything else. Reads find zeros.
  void* spare_memory(const CheckSite& site);

  const CheckSite& site(uint32_t index) const { return sites_[index]; }
  /// Throws ValidationError if there were faults.
  void finish() const;

 private:
  static constexpr unsigned kMaxSimdgroups = kMaxThreadsPerThreadgroup / kSimdWidth;
  enum class Space { Device, Threadgroup, Other };
  /// What an address points into.
  struct Object {
    Space space;
    std::optional<MemoryRange> range;  ///< nothing if its size is not known
    const Argument* argument = nullptr;
    const CheckSite* variable = nullptr;  ///< a site that names it
    size_t offset = 0;                    ///< of the argument's address in the range
  };
  struct Wait {
    uint32_t barriers = 0;  ///< that it came to
    uint32_t site = 0;      ///< of the last
    bool ended = false;
  };

  std::optional<Object> object_of(const void* address, const void* variable, const CheckSite& site) const;
  std::optional<Object> find_object(const void* address, size_t bytes) const;
  Object buffer(const Argument& argument) const;
  Object threadgroup_memory(const Argument& argument) const;
  bool may_access(const void* address, const std::optional<Object>& object, unsigned lane, const CheckSite& site);
  bool is_initialised(const void* address, const Object& object, unsigned lane, const CheckSite& site);
  void find_races(const void* address, const Object& object, const uint64_t* values, unsigned lane, const CheckSite& site);
  void report_race(const Access& before, const void* address, const Object& object, unsigned lane, const CheckSite& site);
  void report_barrier(uint32_t site, const std::string& what);
  /// Whether fences, with atomic operations that nobody follows, may have ordered an earlier access and one made now.
  bool may_be_fenced(const Access& before) const;
  uint64_t fence_key(uint64_t group, unsigned simdgroup) const { return group * kMaxSimdgroups + simdgroup; }
  std::string place_text(const void* address, const std::optional<Object>& object, const CheckSite& site) const;
  std::string thread_text(unsigned lane) const { return shape_.thread_text(simdgroup_, lane); }

  const KernelInfo& info_;
  const std::vector<CheckSite>& sites_;
  const Launch& launch_;
  const Memory memory_;
  Faults faults_;

  GroupShape shape_;
  uint64_t group_ = 0;
  unsigned simdgroup_ = 0;
  std::vector<Wait> waits_;               // of the group's SIMD-groups
  uint32_t compared_barriers_ = 0;        // those at which SIMD-groups were found to be together or not
  std::vector<uint32_t> device_epochs_;   // barriers of each SIMD-group that order device memory
  std::vector<uint32_t> threadgroup_epochs_;
  std::unordered_map<uint64_t, uint16_t> fences_;  // that SIMD-groups of all threadgroups have come to, if any
  ShadowMemory device_shadow_, threadgroup_shadow_;
  std::vector<std::byte> spare_, zeros_;  // as long as the longest access
};

/// The validator of the launch that runs on this CPU thread.
Validator*& current_validator();

/// Makes it that, for a scope.
class CurrentValidator {
 public:
  explicit CurrentValidator(Validator& validator) { current_validator() = &validator; }
  ~CurrentValidator() { current_validator() = nullptr; }
  CurrentValidator(const CurrentValidator&) = delete;
  CurrentValidator& operator=(const CurrentValidator&) = delete;
};

/// Does `work`, part of a check. Compiled code cannot be unwound: a fault for whose text there is no memory is counted,
/// not described.
template <class Work>
void without_exceptions(Work work) noexcept {
  try {
    work();
  } catch (const std::bad_alloc&) {
  }
}

/// What validating code calls, for that launch: see CheckLanes in executor/abi.h.
void check_lanes(void** addresses, void* object, const uint64_t* values, uint32_t mask, uint32_t site);

}  // namespace mslc
