// What compiled code and the executor agree on: the code generator builds the same structure in IR.
#pragma once

#include <cstdint>

namespace mslc {

/// A launch as compiled code sees it. Nothing in it changes while the launch runs.
struct Dispatch {
  const void* const* buffers;
  const uint64_t* threadgroup_offsets;  ///< of each [[threadgroup(i)]] argument in the threadgroup's memory
  uint32_t grid[3];                     ///< in threads
  uint32_t threads[3];                  ///< of a threadgroup that is not cut off by the end of the grid
  uint32_t groups[3];                   ///< in threadgroups
};

/// Entry points of a compiled object.
/// A kernel without barriers: runs threadgroups [first, last), one after the other.
using RunGroups = void (*)(const Dispatch*, void* threadgroup_memory, uint64_t first, uint64_t last);
inline constexpr char kRunGroups[] = "mslc_run_groups";
/// A kernel with barriers: runs one SIMD-group of the threadgroup at (x, y, z).
using RunSimdgroup = void (*)(const Dispatch*, void* threadgroup_memory, void* ring, uint32_t x, uint32_t y, uint32_t z,
                              uint32_t simdgroup);
inline constexpr char kRunSimdgroup[] = "mslc_run_simdgroup";

/// What compiled code calls: returns when all SIMD-groups of the ring have come here. A null ring has but one.
inline constexpr char kBarrier[] = "mslc_barrier";

/// What validating code calls (see validate/validator.h). Bit i of `mask`: lane i is active. `object` is the variable
/// that the address was computed from, or null; `values` are those that a store writes.
/// Replaces each lane's address by one that may be accessed.
using CheckLanes = void (*)(void** addresses, void* object, const uint64_t* values, uint32_t mask, uint32_t site);
inline constexpr char kCheckLanes[] = "mslc_check_lanes";
/// In place of kBarrier.
using CheckBarrier = void (*)(uint32_t mask, uint32_t flags, uint32_t site);
inline constexpr char kCheckBarrier[] = "mslc_check_barrier";
/// At a fence of memory.
using CheckFence = void (*)();
inline constexpr char kCheckFence[] = "mslc_check_fence";

/// What code that logs calls: `part` (a LogPart) of the message of each active lane is the lane's value.
using LogLanes = void (*)(const uint64_t* values, uint32_t mask, uint32_t part);
inline constexpr char kLogLanes[] = "mslc_log_lanes";
/// A level begins a message, and its format ends it. Subsystem, category and format are addresses of C strings; a word is
/// an element of an argument (see log_format.h).
enum class LogPart : uint32_t { Level, Subsystem, Category, Word, Format };

}  // namespace mslc
