#include "cli/guarded_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <utility>

namespace mslc::cli {

namespace {

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

}  // namespace

GuardedMemory::GuardedMemory(size_t size) {
  const size_t page = sysconf(_SC_PAGESIZE);
  const size_t pages = round_up(size, page);
  mapped_size_ = pages + 2 * page;
  mapped_ = mmap(nullptr, mapped_size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped_ == MAP_FAILED) throw std::bad_alloc();
  std::byte* const first = static_cast<std::byte*>(mapped_) + page;
  if (pages && mprotect(first, pages, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapped_, mapped_size_);
    throw std::bad_alloc();
  }
  data_ = first + pages - round_up(size, 16);
}

GuardedMemory::~GuardedMemory() {
  if (mapped_) munmap(mapped_, mapped_size_);
}

GuardedMemory::GuardedMemory(GuardedMemory&& other) noexcept
    : mapped_(std::exchange(other.mapped_, nullptr)), mapped_size_(other.mapped_size_), data_(other.data_) {}

}  // namespace mslc::cli
