#pragma once

#include <memory>

#include "Metal/MTLCommandBuffer.hpp"
#include "Metal/MTLCommandEncoder.hpp"
#include "Metal/MTLTypes.hpp"

namespace metal_software {
struct ArgumentTable;
struct Command;
}

namespace MTL {

class Buffer;
class ComputePipelineState;
class Fence;
class Resource;

struct DispatchThreadgroupsIndirectArguments {
  uint32_t threadgroupsPerGrid[3];
};

class ComputeCommandEncoder : public NS::Referencing<ComputeCommandEncoder, CommandEncoder> {
 public:
  DispatchType dispatchType() const { return dispatch_type_; }

  void setComputePipelineState(const ComputePipelineState* state);
  void setBuffer(const Buffer* buffer, NS::UInteger offset, NS::UInteger index);
  void setBufferOffset(NS::UInteger offset, NS::UInteger index);
  void setBuffers(const Buffer* const buffers[], const NS::UInteger offsets[], NS::Range range);
  /// Copies up to 4096 bytes.
  void setBytes(const void* bytes, NS::UInteger length, NS::UInteger index);
  /// `length` must be a multiple of 16.
  void setThreadgroupMemoryLength(NS::UInteger length, NS::UInteger index);

  /// Whole threadgroups.
  void dispatchThreadgroups(Size threadgroupsPerGrid, Size threadsPerThreadgroup);
  /// The grid is read from `indirectBuffer` (DispatchThreadgroupsIndirectArguments) when the command runs.
  void dispatchThreadgroups(const Buffer* indirectBuffer, NS::UInteger indirectBufferOffset,
                            Size threadsPerThreadgroup);
  /// Threadgroups at the edge of the grid are cut to fit.
  void dispatchThreads(Size threadsPerGrid, Size threadsPerThreadgroup);

  /// What is encoded before has run when what follows runs. Here commands run one after the other, as encoded; or, with
  /// TORCH_METAL_REORDER=1, those between two barriers of a concurrent encoder in the opposite order.
  void memoryBarrier(BarrierScope scope) { endUnordered(); }
  void memoryBarrier(const Resource* const resources[], NS::UInteger count) { endUnordered(); }
  void updateFence(const Fence* fence) {}
  void waitForFence(const Fence* fence) {}

  /// Keeps resources that kernels reach through pointers alive until the command buffer has completed.
  void useResource(const Resource* resource, ResourceUsage usage);
  void useResources(const Resource* const resources[], NS::UInteger count, ResourceUsage usage);

 private:
  friend class CommandBuffer;
  ComputeCommandEncoder(CommandBuffer* command_buffer, metal_software::Submission& submission, DispatchType type);
  ~ComputeCommandEncoder() override;
  bool settable(const char* what, NS::UInteger index);
  void dispatch(Size grid, Size threadgroup, const uint32_t* indirect_groups);
  void endUnordered() override;

  DispatchType dispatch_type_;
  const ComputePipelineState* pipeline_ = nullptr;
  metal_software::Command** unordered_;  // where what was encoded since the last barrier begins
  std::unique_ptr<metal_software::ArgumentTable> arguments_;
};

}  // namespace MTL
