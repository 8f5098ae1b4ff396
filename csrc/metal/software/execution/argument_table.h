// The arguments that an encoder has bound.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mslc/mslc.h"

namespace MTL {
class Buffer;
}

namespace metal_software {

struct ArgumentTable {
  struct Slot {
    const MTL::Buffer* buffer;  ///< null for setBytes
    const std::byte* address;
    size_t available;  ///< bytes from the address to the end
  };

  void bind(unsigned index, Slot slot) {
    slots[index] = slot;
    bound |= 1u << index;
  }
  void unbind(unsigned index) { bound &= ~(1u << index); }

  Slot slots[mslc::kMaxBuffers];
  size_t threadgroup_memory[mslc::kMaxBuffers] = {};  ///< bytes
  uint32_t bound = 0;                                 ///< bit i: slot i holds an argument
};

}  // namespace metal_software
