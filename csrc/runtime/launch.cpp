#include "runtime/launch.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>

#include "runtime/block_pool.h"
#include "runtime/failures.h"
#include "runtime/profiler.h"
#include "runtime/route.h"
#include "runtime/stream.h"

namespace torch_metal {

namespace {

// Bytes of the elements of a view; what is expanded counts once.
uint64_t reached_bytes(at::IntArrayRef sizes, at::IntArrayRef strides, uint64_t element_size) {
  uint64_t bytes = element_size;
  for (size_t i = 0; i < sizes.size(); ++i)
    if (strides[i] != 0 || sizes[i] == 0) bytes *= sizes[i];
  return bytes;
}

}  // namespace

BufferRange buffer_range(const at::TensorBase& tensor, const void* data) {
  if (!data) return {};
  const Block* const block = block_of(tensor.storage().data_ptr());
  const Segment* const segment = block ? block->segment : find_segment(data);
  TORCH_CHECK(segment, "Expected all tensors to be on the same device, but found at least two devices, metal:0 and ",
              tensor.device(), "!");
  const char* const begin = block ? block->data : segment->base;
  return {segment->buffer, static_cast<uint64_t>(static_cast<const char*>(data) - segment->base), 0, begin,
          begin + (block ? block->size : segment->size)};
}

BufferRange buffer_range(const at::TensorBase& tensor) {
  if (!tensor.defined()) return {};
  BufferRange range = buffer_range(tensor, tensor.const_data_ptr());
  if (profiler::is_on()) range.bytes = reached_bytes(tensor.sizes(), tensor.strides(), tensor.element_size());
  return range;
}

BufferRange operand(const at::TensorIteratorBase& iterator, int i) {
  BufferRange range = buffer_range(iterator.tensor_base(i), iterator.data_ptr(i));
  if (profiler::is_on())
    range.bytes = reached_bytes(iterator.shape(), iterator.strides(i), iterator.element_size(i));
  return range;
}

BufferRange elements_from(const at::TensorBase& tensor, uint64_t first) {
  BufferRange range = buffer_range(tensor);
  const uint64_t skipped = first * tensor.element_size();
  if (range.buffer) range.offset += skipped;
  range.bytes -= std::min(range.bytes, skipped);
  return range;
}

uint64_t gpu_address(const at::TensorBase& tensor) {
  const BufferRange range = buffer_range(tensor);
  return range.buffer ? range.buffer->gpuAddress() + range.offset : 0;
}

void Resources::add(const at::TensorBase& tensor) {
  const BufferRange range = buffer_range(tensor);
  bytes += range.bytes;
  if (range.begin) accesses.push_back({range.begin, range.end, true});
  if (range.buffer && std::find(buffers.begin(), buffers.end(), range.buffer) == buffers.end())
    buffers.push_back(range.buffer);
}

BufferRange error_buffer() {
  const char* const name = OperatorScope::current_name();
  Stream& stream = Stream::current();
  const auto guard = stream.lock();
  return {stream.error_buffer(name ? name : "metal"), 0};
}

namespace detail {

namespace {

// Stands for tensors without memory: every argument of a kernel must be bound.
const MTL::Buffer* nothing() {
  static const MTL::Buffer* const buffer = new_buffer(256, "arguments without memory");
  return buffer;
}

MTL::Size metal_size(const Extent& extent) { return MTL::Size(extent.x, extent.y, extent.z); }

// Some pipelines allow fewer threads than asked for: halves the longest side until they do.
Extent fit(Extent threadgroup, uint64_t limit) {
  const std::array sides{&threadgroup.x, &threadgroup.y, &threadgroup.z};
  while (threadgroup.x * threadgroup.y * threadgroup.z > limit) {
    uint64_t& longest = **std::max_element(sides.begin(), sides.end(), [](auto* a, auto* b) { return *a < *b; });
    longest = (longest + 1) / 2;
  }
  return threadgroup;
}

// A larger grid would run some threads twice, others never.
void check_grid(const Kernel& kernel, const Extent& threads) {
  TORCH_CHECK_NOT_IMPLEMENTED(std::max({threads.x, threads.y, threads.z}) <= kMaxGridThreads, "metal: ", kernel.name,
                              " on tensors of this size takes ", threads.x, " x ", threads.y, " x ", threads.z,
                              " threads; a grid has at most 2^31 along each axis");
}

// What this thread's dispatch has been given, if a recording is open: a tensor given as several arguments, as stand-ins
// for absent ones too, is read once and written once.
struct Given {
  const MTL::Buffer* buffer;
  uint64_t offset;
  bool read_only;
  bool operator==(const Given&) const = default;
};
thread_local std::vector<Given> given;

bool is_new(const BufferRange& range, bool read_only) {
  const Given argument{range.buffer, range.offset, read_only};
  if (std::find(given.begin(), given.end(), argument) != given.end()) return false;
  given.push_back(argument);
  return true;
}

}  // namespace

Dispatch::Dispatch(const Kernel& kernel)
    : kernel_(kernel),
      stream_(Stream::current()),
      lock_(stream_.lock()),
      encoder_(stream_.encoder()),
      encode_start_ns_(profiler::is_on() ? profiler::now_ns() : 0) {
  encoder_->setComputePipelineState(kernel.pipeline);
  if (profiler::is_on()) given.clear();
}

void Dispatch::bind(const BufferRange& range) {
  const bool read_only = kernel_.read_only >> index_ & 1;
  if (range.bytes && is_new(range, read_only)) bytes_ += range.bytes;
  if (range.begin) accesses_.push_back({range.begin, range.end, !read_only});
  encoder_->setBuffer(range.buffer ? range.buffer : nothing(), range.offset, index_++);
}

void Dispatch::bind(ThreadgroupMemory memory) {
  encoder_->setThreadgroupMemoryLength((memory.bytes + 15) / 16 * 16, memory.index);
}

void Dispatch::bind(const Resources& resources) {
  bytes_ += resources.bytes;
  accesses_.append(resources.accesses.begin(), resources.accesses.end());
  for (const MTL::Buffer* const buffer : resources.buffers) {
    encoder_->useResource(buffer, MTL::ResourceUsageRead | MTL::ResourceUsageWrite);
  }
}

void Dispatch::bind_bytes(const void* data, size_t size) { encoder_->setBytes(data, size, index_++); }

void Dispatch::threads(Extent grid, Extent threadgroup) {
  check_complete();
  check_grid(kernel_, grid);
  const uint64_t limit = kernel_.pipeline->maxTotalThreadsPerThreadgroup();
  threadgroup = fit(threadgroup, limit);
  stream_.order(accesses_);
  encoder_->dispatchThreads(metal_size(grid), metal_size(threadgroup));
  end(grid, threadgroup);
}

void Dispatch::groups(Extent grid, Extent threadgroup) {
  check_complete();
  check_grid(kernel_, {grid.x * threadgroup.x, grid.y * threadgroup.y, grid.z * threadgroup.z});
  const uint64_t limit = kernel_.pipeline->maxTotalThreadsPerThreadgroup();
  TORCH_CHECK(threadgroup.x * threadgroup.y * threadgroup.z <= limit, "The kernel ", kernel_.name, " runs at most ",
              limit, " threads in a threadgroup on this device");
  stream_.order(accesses_);
  encoder_->dispatchThreadgroups(metal_size(grid), metal_size(threadgroup));
  end({grid.x * threadgroup.x, grid.y * threadgroup.y, grid.z * threadgroup.z}, threadgroup);
}

void Dispatch::end(const Extent& grid, const Extent& threadgroup) {
  if (profiler::is_on()) {
    const profiler::Operation operation{kernel_.name,
                                        {grid.x, grid.y, grid.z},
                                        {threadgroup.x, threadgroup.y, threadgroup.z},
                                        bytes_,
                                        encode_start_ns_};
    stream_.end_operation(&operation);
  } else {
    stream_.end_operation();
  }
  take_route(Route::msl);
}

void Dispatch::check_complete() const {
  TORCH_INTERNAL_ASSERT(index_ == kernel_.argument_count, kernel_.name, " takes ", kernel_.argument_count,
                        " buffers, got ", index_);
}

}  // namespace detail

}  // namespace torch_metal
