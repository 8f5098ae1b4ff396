#pragma once

#include <functional>

#include "Metal/MTLGPUAddress.hpp"
#include "Metal/MTLResource.hpp"

namespace MTL {

class Device;

class Buffer : public NS::Referencing<Buffer, Resource> {
 public:
  /// The bytes, or null if the storage mode is private.
  void* contents();
  /// Nothing to do: memory is unified.
  void didModifyRange(NS::Range range) {}
  /// What a kernel sees as the buffer's address. Here it is the host's.
  GPUAddress gpuAddress() const { return reinterpret_cast<GPUAddress>(bytes_); }
  NS::UInteger length() const { return length_; }

 private:
  friend class Device;
  using Deallocator = std::function<void(void*, NS::UInteger)>;
  /// Takes over `bytes`. Without a deallocator they were mapped and are counted by the device.
  Buffer(void* bytes, NS::UInteger length, NS::UInteger mapped, ResourceOptions options, Deallocator deallocator);
  ~Buffer() override;

  void* bytes_;
  NS::UInteger length_;
  Deallocator deallocator_;
};

}  // namespace MTL
