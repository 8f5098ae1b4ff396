// SIMD-groups of one threadgroup that wait for each other at barriers: fibers on one CPU thread, run in turn.
#pragma once

#include <cstddef>
#include <vector>

namespace mslc {

/// Stacks of equal size, each above a page that must not be touched. Kept for the next threadgroup.
class FiberStacks {
 public:
  ~FiberStacks() { release(); }
  /// At least `count` stacks of at least `bytes`. Throws std::bad_alloc.
  void reserve(unsigned count, size_t bytes);
  /// The end of a stack, where it begins to grow down from.
  std::byte* top(unsigned i) const { return memory_ + (i + 1) * stride_; }
  /// All of them.
  const std::byte* memory() const { return memory_; }
  size_t bytes() const { return count_ * stride_; }

 private:
  void release();

  std::byte* memory_ = nullptr;
  size_t stride_ = 0;
  unsigned count_ = 0;
};

class Ring {
 public:
  /// What a fiber does; `index` tells which it is.
  using Work = void (*)(void* context, unsigned index);

  /// Runs `count` fibers to their end. The Ring must stay where it is meanwhile.
  void run(unsigned count, size_t stack_bytes, Work work, void* context);
  /// Stacks for `count` fibers: run() with no more of them leaves these where they are.
  const FiberStacks& reserve(unsigned count, size_t stack_bytes);
  /// Called on a fiber: lets all others come to where they wait as well.
  void wait();

 private:
  [[noreturn]] static void start(Ring* ring);
  void prepare(unsigned index);
  void leave();
  void switch_to(unsigned index);

  FiberStacks stacks_;
  std::vector<void*> saved_;  // stack pointers of fibers that wait
  std::vector<bool> finished_;
  void* caller_ = nullptr;
  unsigned current_ = 0;
  unsigned running_ = 0;
  Work work_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace mslc
