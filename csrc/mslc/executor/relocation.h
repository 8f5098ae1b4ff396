// Relocations of this machine's ELF objects.
#pragma once

#include <cstddef>
#include <cstdint>

#include "executor/elf.h"

namespace mslc {

#if defined(__x86_64__)
inline constexpr uint16_t kMachine = elf::kX86_64;
#elif defined(__aarch64__)
inline constexpr uint16_t kMachine = elf::kAarch64;
#else
#error "mslc generates code for x86-64 and AArch64"
#endif

/// A jump to an address anywhere.
inline constexpr size_t kStubBytes = 16;
void write_stub(std::byte* stub, const void* destination);

struct RelocationTarget {
  std::byte* symbol;        ///< its address
  std::byte* callable;      ///< the address, or a stub near the code that jumps there
  std::byte* address_slot;  ///< where the address is stored near the code
};

/// Writes one relocated value. Throws std::runtime_error if its type is not known or it does not fit.
void apply_relocation(uint32_t type, std::byte* place, const RelocationTarget& target, int64_t addend);

}  // namespace mslc
