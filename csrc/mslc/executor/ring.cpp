#include "executor/ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

extern "C" {
/// Saves the registers that a call must keep on the stack, the stack pointer in *from, and goes on where `to` was saved.
void mslc_switch_stack(void** from, void* to);
/// Where a new fiber begins: calls function(argument), both taken from saved registers.
void mslc_start_fiber();
}

// Begins a function that only this library calls.
#if defined(__APPLE__)
#define MSLC_FUNCTION(name) ".globl _" #name "\n.private_extern _" #name "\n.p2align 2\n_" #name ":\n"
#elif defined(__x86_64__)
#define MSLC_FUNCTION(name) ".globl " #name "\n.hidden " #name "\n.type " #name ", @function\n" #name ":\n"
#else
#define MSLC_FUNCTION(name) ".globl " #name "\n.hidden " #name "\n.type " #name ", %function\n" #name ":\n"
#endif

#if defined(__x86_64__)
asm(".text\n" MSLC_FUNCTION(mslc_switch_stack) R"(
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)" MSLC_FUNCTION(mslc_start_fiber) R"(
  movq %r12, %rdi
  callq *%r13
  ud2
)");
#elif defined(__aarch64__)
asm(".text\n" MSLC_FUNCTION(mslc_switch_stack) R"(
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)" MSLC_FUNCTION(mslc_start_fiber) R"(
  mov x0, x19
  blr x20
  brk #1
)");
#endif

namespace mslc {

namespace {

/// The frame that mslc_switch_stack takes registers from when a fiber runs first.
void* initial_frame(std::byte* top, void (*function)(Ring*), Ring* ring) {
  auto words = reinterpret_cast<void**>(top);
#if defined(__x86_64__)
  // r15 r14 r13 r12 rbx rbp, then the address to return to; what is above it must be aligned to 16 for the call there.
  words -= 9;
  words[2] = reinterpret_cast<void*>(function);
  words[3] = ring;
  words[6] = reinterpret_cast<void*>(&mslc_start_fiber);
#else
  words -= 20;
  words[0] = ring;
  words[1] = reinterpret_cast<void*>(function);
  words[11] = reinterpret_cast<void*>(&mslc_start_fiber);
#endif
  return words;
}

}  // namespace

void FiberStacks::reserve(unsigned count, size_t bytes) {
  size_t page = sysconf(_SC_PAGESIZE);
  size_t stride = (bytes + page - 1) / page * page + page;
  if (count <= count_ && stride <= stride_) return;
  if (count < count_) count = count_;
  if (stride < stride_) stride = stride_;
  release();
  void* mapped = mmap(nullptr, count * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(mapped);
  stride_ = stride;
  count_ = count;
  for (unsigned i = 0; i < count; ++i)
    if (mprotect(memory_ + i * stride, page, PROT_NONE) != 0) throw std::bad_alloc();
}

void FiberStacks::release() {
  if (memory_) munmap(memory_, count_ * stride_);
  memory_ = nullptr;
  stride_ = count_ = 0;
}

const FiberStacks& Ring::reserve(unsigned count, size_t stack_bytes) {
  stacks_.reserve(count, stack_bytes);
  return stacks_;
}

void Ring::run(unsigned count, size_t stack_bytes, Work work, void* context) {
  stacks_.reserve(count, stack_bytes);
  work_ = work;
  context_ = context;
  saved_.resize(count);
  finished_.assign(count, false);
  for (unsigned i = 0; i < count; ++i) {
    // Tops a few cache lines apart, or all stacks would compete for the same lines of the cache.
    std::byte* top = stacks_.top(i) - (i % 16) * 192;
    saved_[i] = initial_frame(top, &Ring::start, this);
  }
  current_ = 0;
  running_ = count;
  mslc_switch_stack(&caller_, saved_[0]);
}

void Ring::start(Ring* ring) {
  ring->work_(ring->context_, ring->current_);
  ring->leave();
  std::abort();  // a fiber that has left is not resumed
}

void Ring::switch_to(unsigned index) {
  unsigned from = current_;
  current_ = index;
  mslc_switch_stack(&saved_[from], saved_[index]);
}

void Ring::wait() {
  if (running_ <= 1) return;
  unsigned next = current_;
  do next = next + 1 == saved_.size() ? 0 : next + 1;
  while (finished_[next]);
  switch_to(next);
}

void Ring::leave() {
  finished_[current_] = true;
  if (--running_ == 0) {
    mslc_switch_stack(&saved_[current_], caller_);
    return;
  }
  unsigned next = current_;
  do next = next + 1 == saved_.size() ? 0 : next + 1;
  while (finished_[next]);
  switch_to(next);
}

}  // namespace mslc
