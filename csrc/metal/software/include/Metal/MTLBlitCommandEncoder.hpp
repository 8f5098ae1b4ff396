#pragma once

#include "Metal/MTLCommandEncoder.hpp"

namespace MTL {

class Buffer;
class Fence;
class Resource;

class BlitCommandEncoder : public NS::Referencing<BlitCommandEncoder, CommandEncoder> {
 public:
  /// Ranges of one buffer must not overlap.
  void copyFromBuffer(const Buffer* sourceBuffer, NS::UInteger sourceOffset, const Buffer* destinationBuffer,
                      NS::UInteger destinationOffset, NS::UInteger size);
  void fillBuffer(const Buffer* buffer, NS::Range range, uint8_t value);

  // Commands run one after the other on unified memory: nothing to do.
  void synchronizeResource(const Resource* resource) {}
  void updateFence(const Fence* fence) {}
  void waitForFence(const Fence* fence) {}

 private:
  friend class CommandBuffer;
  using NS::Referencing<BlitCommandEncoder, CommandEncoder>::Referencing;
};

}  // namespace MTL
