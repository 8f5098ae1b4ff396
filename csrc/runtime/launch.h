// Encodes one kernel dispatch on the current stream. This is all an operator needs of Metal.
//
//   launch_threads(kernel("unary", "unary_dense", {"exp_op", "float", "float"}), {n}, {256}, out, in, params);
//
// Arguments bind to buffer indices 0, 1, 2, ... in the order given: tensors, operands of a TensorIterator,
// plain structs (copied at once), raw buffers. Their number must be the kernel's own.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/native/TensorIterator.h>

#include <algorithm>
#include <mutex>
#include <type_traits>
#include <vector>

#include "runtime/kernel_library.h"
#include "runtime/stream.h"

namespace torch_metal {

/// Threads of a SIMD-group.
constexpr uint32_t kSimdWidth = 32;

/// Threads or threadgroups in x, y, z.
struct Extent {
  uint64_t x = 1, y = 1, z = 1;
};

/// Where a tensor's bytes are: a Metal buffer and an offset into it.
struct BufferRange {
  const MTL::Buffer* buffer = nullptr;
  uint64_t offset = 0;
  uint64_t bytes = 0;  ///< that the tensor reaches, if a recording of profiler.h is open
  /// The allocation: dispatches that use it and of which one writes run in the order of their launches. Empty for what
  /// needs no order.
  const char* begin = nullptr;
  const char* end = nullptr;
};

/// The bytes that `data` points at, in the storage of `tensor`. Throws if the tensor is not on metal.
BufferRange buffer_range(const at::TensorBase& tensor, const void* data);
BufferRange buffer_range(const at::TensorBase& tensor);
/// Operand i of an iterator, or of one of its 32-bit pieces.
BufferRange operand(const at::TensorIteratorBase& iterator, int i);
/// The current stream's error buffer, for `device c10::metal::ErrorMessages*`: what a kernel reports there
/// raises at the next synchronisation.
BufferRange error_buffer();

/// A dense tensor's elements from number `first` on.
BufferRange elements_from(const at::TensorBase& tensor, uint64_t first);

/// Where the GPU finds a tensor's first element, for kernels that take addresses in a parameter struct.
uint64_t gpu_address(const at::TensorBase& tensor);
/// The buffers behind such addresses: the kernel may use them, though they are not bound. Takes no argument index.
struct Resources {
  std::vector<const MTL::Buffer*> buffers;
  std::vector<Access> accesses;
  uint64_t bytes = 0;  ///< as of BufferRange
  void add(const at::TensorBase& tensor);
};

/// Bytes for a [[threadgroup(index)]] argument; give it after all buffers.
struct ThreadgroupMemory {
  size_t bytes;
  unsigned index = 0;
};

namespace detail {
/// An open dispatch: argument index counts up as arguments are bound.
class Dispatch {
 public:
  explicit Dispatch(const Kernel& kernel);
  void bind(const BufferRange& range);
  void bind(const at::TensorBase& tensor) { bind(buffer_range(tensor)); }
  void bind(ThreadgroupMemory memory);
  void bind(const Resources& resources);
  template <class T>
    requires(!std::is_base_of_v<at::TensorBase, T>)
  void bind(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>, "a kernel parameter is plain data");
    static_assert(sizeof(T) <= 4096, "setBytes takes at most 4 KB");
    bind_bytes(&value, sizeof(T));
  }
  void bind_bytes(const void* data, size_t size);
  /// Nobody knows how long the kernel runs: a device that is idle starts with it at once.
  void may_take_long() { stream_.add_work(kWorthStarting.bytes); }
  void threads(Extent grid, Extent threadgroup);
  void groups(Extent grid, Extent threadgroup);

 private:
  void check_complete() const;
  void end(const Extent& grid, const Extent& threadgroup);
  const Kernel& kernel_;
  Stream& stream_;
  std::unique_lock<std::mutex> lock_;
  MTL::ComputeCommandEncoder* encoder_;
  unsigned index_ = 0;
  c10::SmallVector<Access, 16> accesses_;
  uint64_t bytes_ = 0;            ///< of what is bound
  int64_t encode_start_ns_ = 0;  ///< if a recording is open
};
}  // namespace detail

/// One thread for each point of `grid`; edge threadgroups are cut to fit. Empty grids launch nothing.
template <class... Arguments>
void launch_threads(const Kernel& kernel, Extent grid, Extent threadgroup, const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  detail::Dispatch dispatch(kernel);
  (dispatch.bind(arguments), ...);
  dispatch.threads(grid, threadgroup);
}

/// `grid` whole threadgroups.
template <class... Arguments>
void launch_groups(const Kernel& kernel, Extent grid, Extent threadgroup, const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  detail::Dispatch dispatch(kernel);
  (dispatch.bind(arguments), ...);
  dispatch.groups(grid, threadgroup);
}

/// Threads along an axis of a grid, so that positions fit 32 bits with room to spare; the software device's limit.
constexpr uint64_t kMaxGridThreads = uint64_t{1} << 31;

/// Calls launch(first, count) for ranges of `groups` threadgroups along an axis that together have them all. A grid has
/// room for the threads of one range, `threads` to a group.
template <class Launch>
void for_each_group_range(uint64_t groups, uint64_t threads, Launch&& launch) {
  const uint64_t most = kMaxGridThreads / threads;
  for (uint64_t first = 0; first < groups; first += most) launch(first, std::min(most, groups - first));
}

}  // namespace torch_metal
