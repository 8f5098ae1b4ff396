// Device memory: pages of the host, counted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace metal_software {

/// Bytes that the device may use in all: physical memory, or what the control group allows, or
/// TORCH_METAL_MEMORY_LIMIT (bytes; K, M, G may follow) if that is less.
uint64_t memory_limit();

/// Bytes mapped at present.
uint64_t mapped_bytes();

struct Mapping {
  void* address = nullptr;  ///< null if there is no such memory
  size_t bytes = 0;
};

/// Zero-filled pages, aligned to 16 KB.
Mapping map_memory(size_t length);
void unmap_memory(Mapping mapping);

}  // namespace metal_software
