#include "executor/executor.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <vector>

#include "executor/abi.h"
#include "executor/guard.h"
#include "executor/log.h"
#include "executor/object_loader.h"
#include "executor/ring.h"
#include "validate/validator.h"

namespace mslc {

namespace {

/// For what the compiler's estimate leaves out: calls of libc and libm.
constexpr size_t kSpareStackBytes = 64 << 10;
/// Kernels that need more run on a stack of their own, as the calling thread's may be small.
constexpr size_t kMaxCallerStackBytes = 256 << 10;
/// For the functions that validating code calls, which make up reports.
constexpr size_t kValidatorStackBytes = 64 << 10;
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

/// The same in validating code.
void checked_barrier(uint32_t mask, uint32_t flags, uint32_t site) {
  Validator& validator = *current_validator();
  const unsigned simdgroup = validator.current();
  without_exceptions([&] { validator.arrive(mask, site); });
  thread_state.ring.wait();
  validator.enter(simdgroup);
  without_exceptions([&] { validator.go_on(flags); });
}

void checked_fence() {
  without_exceptions([] { current_validator()->fence(); });
}

const std::map<std::string, void*>& symbols() {
  static const std::map<std::string, void*> symbols = {
      {kBarrier, reinterpret_cast<void*>(&barrier)},
      {kCheckBarrier, reinterpret_cast<void*>(&checked_barrier)},
      {kCheckFence, reinterpret_cast<void*>(&checked_fence)},
      {kCheckLanes, reinterpret_cast<void*>(&check_lanes)},
      {kLogLanes, reinterpret_cast<void*>(&log_lanes)},
  };
  return symbols;
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
        stack_bytes_(compiled.stack_bytes + kSpareStackBytes + (compiled.validates ? kValidatorStackBytes : 0)),
        validates_(compiled.validates),
        sites_(compiled.sites),
        object_(compiled.object, symbols()),
        run_groups_(reinterpret_cast<RunGroups>(object_.find(kRunGroups))),
        run_simdgroup_(reinterpret_cast<RunSimdgroup>(object_.find(kRunSimdgroup))) {
    if (!run_groups_ && !run_simdgroup_) throw std::runtime_error("compiled kernel: no entry point");
  }

  const KernelInfo& info() const override { return info_; }
  size_t static_threadgroup_bytes() const override { return threadgroup_bytes_; }
  bool validates() const override { return validates_; }
  void execute(const Launch& launch, uint64_t first, uint64_t last) const override;

 private:
  struct Simdgroups {
    const LoadedKernel* kernel;
    const Dispatch* dispatch;
    std::byte* memory;
    Position group;
    Ring* ring;
  };

  void run(const Dispatch& dispatch, std::byte* memory, uint64_t first, uint64_t last) const;
  void run_group(Simdgroups& simdgroups) const;
  void validate(const Launch& launch, const Dispatch& dispatch, std::byte* memory, size_t memory_bytes, uint64_t first,
                uint64_t last) const;

  KernelInfo info_;
  size_t threadgroup_bytes_;
  size_t stack_bytes_;
  bool validates_;
  std::vector<CheckSite> sites_;
  LoadedObject object_;
  RunGroups run_groups_;
  RunSimdgroup run_simdgroup_;
};

void check(const Launch& launch) {
  uint64_t threads = 1;
  for (uint32_t size : launch.threads_per_threadgroup) threads = std::min<uint64_t>(threads * size, UINT32_MAX);
  if (threads == 0 || threads > kMaxThreadsPerThreadgroup)
    throw std::invalid_argument("a threadgroup has 1 to 1024 threads, not " + std::to_string(threads));
  for (uint32_t size : launch.threads_per_grid)
    if (size > uint32_t(1) << 31) throw std::invalid_argument("a grid has at most 2^31 threads in each dimension");
  const auto [x, y, z] = launch.threads_per_grid;
  if (uint64_t{x} * y > (uint64_t{1} << 62) / std::max(z, 1u))
    throw std::invalid_argument("a grid has at most 2^62 threads");
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
  if (validates_) return validate(launch, dispatch, memory, memory_bytes, first, last);
  run_guarded(object_, info_.name, [&] { run(dispatch, memory, first, last); });
}

void LoadedKernel::run(const Dispatch& dispatch, std::byte* memory, uint64_t first, uint64_t last) const {
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

// As above, but always on fibers, whose stacks are known, and telling the validator who runs.
void LoadedKernel::validate(const Launch& launch, const Dispatch& dispatch, std::byte* memory, size_t memory_bytes,
                            uint64_t first, uint64_t last) const {
  Ring& ring = thread_state.ring;
  const FiberStacks& stacks = ring.reserve(kMaxThreadsPerThreadgroup / kSimdWidth, stack_bytes_);
  const Validator::Memory known{{memory, memory_bytes},
                                dispatch.threadgroup_offsets,
                                {object_.memory(), object_.bytes()},
                                {stacks.memory(), stacks.bytes()}};
  Validator validator(info_, sites_, launch, known);
  const CurrentValidator current(validator);
  struct Context {
    const LoadedKernel* kernel;
    const Dispatch* dispatch;
    std::byte* memory;
    Validator* validator;
  } context{this, &dispatch, memory, &validator};
  auto run = [](void* work, unsigned simdgroup) {
    auto& [kernel, dispatch, memory, validator] = *static_cast<Context*>(work);
    validator->enter(simdgroup);
    const GroupShape& group = validator->group();
    kernel->run_simdgroup_(dispatch, memory, nullptr, group.position(0), group.position(1),
                           group.position(2), simdgroup);
    validator->end();
  };
  for (uint64_t group = first; group < last; ++group) {
    validator.begin_group(group);
    run_guarded(object_, info_.name, [&] { ring.run(validator.group().simdgroups(), stack_bytes_, run, &context); });
  }
  validator.finish();
}

}  // namespace

std::shared_ptr<const Kernel> load(const CompiledKernel& compiled, const KernelInfo& info) {
  return std::make_shared<LoadedKernel>(compiled, info);
}

uint64_t threadgroup_count(const Launch& launch) {
  check(launch);
  uint64_t count = 1;
  for (unsigned d = 0; d < 3; ++d)
    count *= (uint64_t(launch.threads_per_grid[d]) + launch.threads_per_threadgroup[d] - 1) / launch.threads_per_threadgroup[d];
  return count;
}

}  // namespace mslc
