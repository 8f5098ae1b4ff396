#include "execution/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <string>

namespace metal_software {
namespace {

constexpr size_t kPageBytes = 16 << 10;  // of Apple's GPUs
constexpr size_t kHugePageBytes = 2 << 20;

std::atomic<uint64_t> g_mapped{0};

uint64_t physical_memory() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// What the control group (version 2) leaves this process; "max" means no limit.
uint64_t control_group_limit() {
  std::string text;
  std::ifstream("/sys/fs/cgroup/memory.max") >> text;
  const uint64_t bytes = std::strtoull(text.c_str(), nullptr, 10);
  return bytes ? bytes : UINT64_MAX;
}

uint64_t environment_limit() {
  const char* const text = std::getenv("TORCH_METAL_MEMORY_LIMIT");
  if (!text) return UINT64_MAX;
  char* unit;
  const uint64_t count = std::strtoull(text, &unit, 10);
  const int shift = *unit == 'K' ? 10 : *unit == 'M' ? 20 : *unit == 'G' ? 30 : 0;
  return count ? count << shift : UINT64_MAX;
}

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// False if that would exceed the limit.
bool reserve(size_t bytes) {
  uint64_t mapped = g_mapped.load(std::memory_order_relaxed);
  do {
    if (bytes > memory_limit() - std::min(mapped, memory_limit())) return false;
  } while (!g_mapped.compare_exchange_weak(mapped, mapped + bytes));
  return true;
}

// mmap aligns to the host's pages: map more and give back what sticks out.
void* map_aligned(size_t bytes, size_t alignment) {
  void* const mapped = mmap(nullptr, bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t aligned = round_up(begin, alignment);
  if (aligned > begin) munmap(mapped, aligned - begin);
  munmap(reinterpret_cast<void*>(aligned + bytes), begin + alignment - aligned);
  return reinterpret_cast<void*>(aligned);
}

}  // namespace

uint64_t memory_limit() {
  static const uint64_t limit = std::min({physical_memory(), control_group_limit(), environment_limit()});
  return limit;
}

uint64_t mapped_bytes() { return g_mapped.load(std::memory_order_relaxed); }

Mapping map_memory(size_t length) {
  if (length > memory_limit()) return {};
  const size_t bytes = round_up(length, kPageBytes);
  if (!reserve(bytes)) return {};
  const bool huge = bytes >= kHugePageBytes;
  void* const address = map_aligned(bytes, huge ? kHugePageBytes : kPageBytes);
  if (!address) {
    g_mapped -= bytes;
    return {};
  }
#ifdef MADV_HUGEPAGE
  if (huge) madvise(address, bytes, MADV_HUGEPAGE);
#endif
  return {address, bytes};
}

void unmap_memory(Mapping mapping) {
  munmap(mapping.address, mapping.bytes);
  g_mapped -= mapping.bytes;
}

}  // namespace metal_software
