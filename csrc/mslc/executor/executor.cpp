#include "executor/executor.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <vector>

#include "executor/abi.h"
#include "executor/object_loader.h"
#include "executor/ring.h"

namespace mslc {

namespace {

/// For what the compiler's estimate leaves out: calls of libc and libm.
constexpr size_t kSpareStackBytes = 64 << 10;
/// Kernels that need more run on a stack of their own, as the calling thread's may be small.
constexpr size_t kMaxCallerStackBytes = 256 << 10;
constexpr size_t kMemoryAlignment = 128;

/// What each CPU thread keeps from one launch to the next.
struct ThreadState {
  Ring ring;
  std::vector<std::byte> memory;

  /// A block of threadgroup memory.
  std::byte* reserve(size_t bytes) {
    if (memory.size() < bytes + kMemoryAlignment) memory.resize(bytes + kMemoryAlignment);
    auto address = reinterpret_cast<uintptr_t>(memory.data());
    return memory.data() + (kMemoryAlignment - address % kMemoryAlignment) % kMemoryAlignment;
  }
};

thread_local ThreadState thread_state;

void barrier(Ring* ring) {
  if (ring) ring->wait();
}

size_t align_up(size_t bytes) { return (bytes + 15) / 16 * 16; }

struct Position {
  uint32_t x, y, z;
};

class LoadedKernel : public Kernel {
 public:
  LoadedKernel(const CompiledKernel& compiled, const KernelInfo& info)
      : info_(info),
        threadgroup_bytes_(compiled.threadgroup_bytes),
        stack_bytes_(compiled.stack_bytes + kSpareStackBytes),
        object_(compiled.object, {{kBarrier, reinterpret_cast<void*>(&barrier)}}),
        run_groups_(reinterpret_cast<RunGroups>(object_.find(kRunGroups))),
        run_simdgroup_(reinterpret_cast<RunSimdgroup>(object_.find(kRunSimdgroup))) {
    if (!run_groups_ && !run_simdgroup_) throw std::runtime_error("compiled kernel: no entry point");
  }

  const KernelInfo& info() const override { return info_; }
  size_t static_threadgroup_bytes() const override { return threadgroup_bytes_; }
  void execute(const Launch& launch, uint64_t first, uint64_t last) const override;

 private:
  struct Simdgroups {
    const LoadedKernel* kernel;
    const Dispatch* dispatch;
    std::byte* memory;
    Position group;
    Ring* ring;
  };

  void run_group(Simdgroups& simdgroups) const;

  KernelInfo info_;
  size_t threadgroup_bytes_;
  size_t stack_bytes_;
  LoadedObject object_;
  RunGroups run_groups_;
  RunSimdgroup run_simdgroup_;
};

void check(const Launch& launch) {
  uint64_t threads = 1;
  for (unsigned d = 0; d < 3; ++d) threads *= launch.threads_per_threadgroup[d];
  if (threads == 0 || threads > kMaxThreadsPerThreadgroup)
    throw std::invalid_argument("a threadgroup has 1 to 1024 threads, not " + std::to_string(threads));
  for (uint32_t size : launch.threads_per_grid)
    if (size > uint32_t(1) << 31) throw std::invalid_argument("a grid has at most 2^31 threads in each dimension");
}

void LoadedKernel::execute(const Launch& launch, uint64_t first, uint64_t last) const {
  check(launch);
  if (first >= last) return;
  uint64_t offsets[kMaxBuffers] = {};
  size_t memory_bytes = align_up(threadgroup_bytes_);
  for (const Argument& argument : info_.arguments) {
    if (argument.kind != ArgumentKind::ThreadgroupMemory) continue;
    offsets[argument.index] = memory_bytes;
    if (launch.threadgroup_memory) memory_bytes += align_up(launch.threadgroup_memory[argument.index]);
  }
  Dispatch dispatch{launch.buffers, offsets, {}, {}, {}};
  for (unsigned d = 0; d < 3; ++d) {
    dispatch.grid[d] = launch.threads_per_grid[d];
    dispatch.threads[d] = launch.threads_per_threadgroup[d];
    dispatch.groups[d] = (uint64_t(dispatch.grid[d]) + dispatch.threads[d] - 1) / dispatch.threads[d];
  }
  std::byte* memory = thread_state.reserve(memory_bytes);
  if (run_groups_ && stack_bytes_ <= kMaxCallerStackBytes) return run_groups_(&dispatch, memory, first, last);
  if (run_groups_) {
    auto all = [&] { run_groups_(&dispatch, memory, first, last); };
    return thread_state.ring.run(1, stack_bytes_, [](void* work, unsigned) { (*static_cast<decltype(all)*>(work))(); }, &all);
  }
  for (uint64_t index = first; index < last; ++index) {
    uint64_t row = index / dispatch.groups[0];
    Position group{static_cast<uint32_t>(index % dispatch.groups[0]), static_cast<uint32_t>(row % dispatch.groups[1]),
                   static_cast<uint32_t>(row / dispatch.groups[1])};
    Simdgroups simdgroups{this, &dispatch, memory, group, nullptr};
    run_group(simdgroups);
  }
}

void LoadedKernel::run_group(Simdgroups& simdgroups) const {
  const Dispatch& dispatch = *simdgroups.dispatch;
  const uint32_t position[3] = {simdgroups.group.x, simdgroups.group.y, simdgroups.group.z};
  unsigned threads = 1;
  for (unsigned d = 0; d < 3; ++d)
    threads *= std::min(dispatch.threads[d], dispatch.grid[d] - position[d] * dispatch.threads[d]);
  unsigned count = (threads + kSimdWidth - 1) / kSimdWidth;
  Ring& ring = thread_state.ring;
  auto run = [](void* context, unsigned index) {
    auto& s = *static_cast<Simdgroups*>(context);
    s.kernel->run_simdgroup_(s.dispatch, s.memory, s.ring, s.group.x, s.group.y, s.group.z, index);
  };
  if (count == 1 && stack_bytes_ <= kMaxCallerStackBytes) return run(&simdgroups, 0);
  simdgroups.ring = &ring;
  ring.run(count, stack_bytes_, run, &simdgroups);
}

}  // namespace

std::shared_ptr<const Kernel> load(const CompiledKernel& compiled, const KernelInfo& info) {
  return std::make_shared<LoadedKernel>(compiled, info);
}

uint64_t threadgroup_count(const Launch& launch) {
  uint64_t count = 1;
  for (unsigned d = 0; d < 3; ++d)
    count *= (uint64_t(launch.threads_per_grid[d]) + launch.threads_per_threadgroup[d] - 1) / launch.threads_per_threadgroup[d];
  return count;
}

}  // namespace mslc
