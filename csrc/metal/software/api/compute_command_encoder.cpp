#include <Metal/Metal.hpp>

#include <algorithm>
#include <cstring>

#include "execution/argument_table.h"
#include "execution/environment.h"
#include "execution/submission.h"
#include "execution/text.h"
#include "execution/validation.h"

namespace MTL {

using metal_software::ArgumentTable;
using metal_software::concat;
using metal_software::Pipeline;

namespace {

constexpr NS::UInteger kMaxSetBytes = 4096;

std::string to_text(Size size) { return concat(size.width, " x ", size.height, " x ", size.depth); }

// "buffer 2 ('out')"
std::string describe(const mslc::Argument& argument) {
  const bool buffer = argument.kind == mslc::ArgumentKind::Buffer;
  return concat(buffer ? "buffer " : "threadgroup memory ", argument.index, " ('", argument.name, "')");
}

// What is wrong with one argument as it is bound; empty if nothing.
std::string argument_error(const mslc::Argument& argument, const ArgumentTable& table) {
  switch (argument.kind) {
    case mslc::ArgumentKind::Buffer: {
      if (!(table.bound >> argument.index & 1)) return describe(argument) + " is not bound";
      const bool reference = !argument.type.empty() && argument.type.back() == '&';
      const size_t available = table.slots[argument.index].available;
      if (reference && available < argument.size)
        return concat(describe(argument), " needs ", argument.size, " bytes, ", available, " are bound");
      return {};
    }
    case mslc::ArgumentKind::ThreadgroupMemory:
      return table.threadgroup_memory[argument.index] ? std::string() : describe(argument) + " has no length";
    case mslc::ArgumentKind::BuiltIn:
      return {};
  }
  return {};
}

std::string arguments_error(const Pipeline& pipeline, const ArgumentTable& table) {
  for (const mslc::Argument& argument : pipeline.kernel->info().arguments)
    if (std::string error = argument_error(argument, table); !error.empty()) return error;
  return {};
}

std::string threadgroup_error(const Pipeline& pipeline, const ArgumentTable& table, Size threadgroup) {
  const NS::UInteger most = pipeline.max_threads_per_threadgroup;
  const bool each_fits = std::max({threadgroup.width, threadgroup.height, threadgroup.depth}) <= most;
  const NS::UInteger threads = each_fits ? threadgroup.width * threadgroup.height * threadgroup.depth : 0;
  if (threads == 0 || threads > most)
    return concat("a threadgroup of ", to_text(threadgroup), " threads; from 1 to ", most, " are possible");
  size_t bytes = pipeline.kernel->static_threadgroup_bytes();
  for (unsigned i = 0; i < pipeline.table_size; ++i)
    if (pipeline.threadgroup_memory >> i & 1) bytes += table.threadgroup_memory[i];
  if (bytes > metal_software::kMaxThreadgroupMemory)
    return concat(bytes, " bytes of threadgroup memory; the limit is ", metal_software::kMaxThreadgroupMemory);
  return {};
}

std::string grid_error(Size grid) {
  if (grid.width == 0 || grid.height == 0 || grid.depth == 0) return "the grid is empty";
  if (std::max({grid.width, grid.height, grid.depth}) > UINT32_MAX)
    return concat("a grid of ", to_text(grid), " threads; an axis has at most 2^32 - 1");
  return {};
}

void assign(uint32_t (&to)[3], Size from) {
  to[0] = static_cast<uint32_t>(from.width);
  to[1] = static_cast<uint32_t>(from.height);
  to[2] = static_cast<uint32_t>(from.depth);
}

}  // namespace

ComputeCommandEncoder::ComputeCommandEncoder(CommandBuffer* command_buffer, metal_software::Submission& submission,
                                             DispatchType type)
    : Referencing(command_buffer, submission),
      dispatch_type_(type),
      unordered_(submission.last),
      arguments_(std::make_unique<ArgumentTable>()) {}

ComputeCommandEncoder::~ComputeCommandEncoder() = default;

// Whoever relies on an order that no barrier demands sees it broken.
void ComputeCommandEncoder::endUnordered() {
  static const bool reorders = metal_software::is_set("TORCH_METAL_REORDER");
  if (reorders && dispatch_type_ == DispatchTypeConcurrent) submission_.reverse(unordered_);
  unordered_ = submission_.last;
}

void ComputeCommandEncoder::setComputePipelineState(const ComputePipelineState* state) {
  if (!recording()) return;
  if (state) submission_.references.add(state);
  pipeline_ = state;
}

// True if an argument may be set at `index`; notes an error otherwise.
bool ComputeCommandEncoder::settable(const char* what, NS::UInteger index) {
  if (!recording()) return false;
  if (index < mslc::kMaxBuffers) return true;
  submission_.fail(CommandBufferErrorInvalidResource,
                   concat(what, ": index ", index, "; there are ", mslc::kMaxBuffers, " entries"));
  return false;
}

void ComputeCommandEncoder::setBuffer(const Buffer* buffer, NS::UInteger offset, NS::UInteger index) {
  if (!settable("setBuffer", index)) return;
  if (!buffer) return arguments_->unbind(index);
  if (offset > buffer->length())
    return submission_.fail(CommandBufferErrorInvalidResource,
                            concat("setBuffer: offset ", offset, " is beyond the end of a buffer of ",
                                   buffer->length(), " bytes"));
  submission_.references.add(buffer);
  const auto* const bytes = reinterpret_cast<const std::byte*>(buffer->gpuAddress());
  arguments_->bind(index, {buffer, bytes + offset, buffer->length() - offset});
}

void ComputeCommandEncoder::setBufferOffset(NS::UInteger offset, NS::UInteger index) {
  if (!settable("setBufferOffset", index)) return;
  const bool bound = arguments_->bound >> index & 1;
  if (!bound || !arguments_->slots[index].buffer)
    return submission_.fail(CommandBufferErrorInvalidResource,
                            concat("setBufferOffset: there is no buffer at index ", index));
  setBuffer(arguments_->slots[index].buffer, offset, index);
}

void ComputeCommandEncoder::setBuffers(const Buffer* const buffers[], const NS::UInteger offsets[], NS::Range range) {
  for (NS::UInteger i = 0; i < range.length; ++i) setBuffer(buffers[i], offsets[i], range.location + i);
}

void ComputeCommandEncoder::setBytes(const void* bytes, NS::UInteger length, NS::UInteger index) {
  if (!settable("setBytes", index)) return;
  if (length == 0 || length > kMaxSetBytes)
    return submission_.fail(CommandBufferErrorInvalidResource,
                            concat("setBytes: ", length, " bytes; from 1 to ", kMaxSetBytes, " are possible"));
  void* const copy = submission_.arena.allocate(length);
  std::memcpy(copy, bytes, length);
  arguments_->bind(index, {nullptr, static_cast<const std::byte*>(copy), length});
}

void ComputeCommandEncoder::setThreadgroupMemoryLength(NS::UInteger length, NS::UInteger index) {
  if (!settable("setThreadgroupMemoryLength", index)) return;
  if (length % 16 != 0)
    return submission_.fail(CommandBufferErrorInvalidResource,
                            concat("setThreadgroupMemoryLength: ", length, " bytes is not a multiple of 16"));
  arguments_->threadgroup_memory[index] = length;
}

void ComputeCommandEncoder::dispatchThreads(Size threadsPerGrid, Size threadsPerThreadgroup) {
  dispatch(threadsPerGrid, threadsPerThreadgroup, nullptr);
}

void ComputeCommandEncoder::dispatchThreadgroups(Size groups, Size threadgroup) {
  // Clamped, so that a product that is too large for an axis cannot wrap around to one that is not.
  const auto product = [](NS::UInteger a, NS::UInteger b) {
    return a && b ? std::min<NS::UInteger>(a, UINT32_MAX) * std::min<NS::UInteger>(b, UINT32_MAX) : 0;
  };
  dispatch(Size(product(groups.width, threadgroup.width), product(groups.height, threadgroup.height),
                product(groups.depth, threadgroup.depth)),
           threadgroup, nullptr);
}

void ComputeCommandEncoder::dispatchThreadgroups(const Buffer* indirectBuffer, NS::UInteger indirectBufferOffset,
                                                 Size threadsPerThreadgroup) {
  if (!recording()) return;
  constexpr size_t kSize = sizeof(DispatchThreadgroupsIndirectArguments);
  if (!indirectBuffer || indirectBuffer->length() < kSize || indirectBufferOffset > indirectBuffer->length() - kSize ||
      indirectBufferOffset % 4 != 0)
    return submission_.fail(CommandBufferErrorInvalidResource,
                            concat("dispatchThreadgroups: no indirect arguments at offset ", indirectBufferOffset));
  submission_.references.add(indirectBuffer);
  dispatch(threadsPerThreadgroup, threadsPerThreadgroup,
           reinterpret_cast<const uint32_t*>(indirectBuffer->gpuAddress() + indirectBufferOffset));
}

void ComputeCommandEncoder::dispatch(Size grid, Size threadgroup, const uint32_t* indirect_groups) {
  if (!recording()) return;
  if (!pipeline_) return submission_.fail(CommandBufferErrorInternal, "a dispatch without a compute pipeline state");
  const Pipeline& pipeline = *pipeline_->pipeline_;
  std::string error = arguments_error(pipeline, *arguments_);
  if (error.empty()) error = threadgroup_error(pipeline, *arguments_, threadgroup);
  if (error.empty()) error = grid_error(grid);
  if (!error.empty())
    return submission_.fail(CommandBufferErrorInvalidResource,
                            concat("kernel '", pipeline.kernel->info().name, "': ", error));

  auto* const command = submission_.append<metal_software::Dispatch>();
  auto* const buffers = submission_.arena.allocate_array<const void*>(pipeline.table_size);
  auto* const memory = submission_.arena.allocate_array<size_t>(pipeline.table_size);
  for (unsigned i = 0; i < pipeline.table_size; ++i) {
    buffers[i] = pipeline.buffers >> i & 1 ? arguments_->slots[i].address : nullptr;
    memory[i] = arguments_->threadgroup_memory[i];
  }
  command->pipeline = &pipeline;
  command->launch.buffers = buffers;
  command->launch.threadgroup_memory = memory;
  if (pipeline.kernel->validates()) {
    auto* const bytes = submission_.arena.allocate_array<size_t>(pipeline.table_size);
    auto* const offsets = submission_.arena.allocate_array<size_t>(pipeline.table_size);
    for (unsigned i = 0; i < pipeline.table_size; ++i) {
      const auto& [buffer, address, available] = arguments_->slots[i];
      bytes[i] = available;
      offsets[i] = buffer ? buffer->length() - available : 0;
    }
    command->launch.buffer_bytes = bytes;
    command->launch.buffer_offsets = offsets;
    command->launch.is_accessible = metal_software::is_in_live_buffer;
  }
  command->indirect_groups = indirect_groups;
  assign(command->launch.threads_per_grid, grid);
  assign(command->launch.threads_per_threadgroup, threadgroup);
}

void ComputeCommandEncoder::useResource(const Resource* resource, ResourceUsage usage) {
  if (recording() && resource) submission_.references.add(resource);
}

void ComputeCommandEncoder::useResources(const Resource* const resources[], NS::UInteger count, ResourceUsage usage) {
  for (NS::UInteger i = 0; i < count; ++i) useResource(resources[i], usage);
}

}  // namespace MTL
