// Resource and Buffer.
#include <Metal/Metal.hpp>

#include <utility>

#include "api/objects.h"
#include "execution/memory.h"
#include "execution/validation.h"

namespace MTL {

CPUCacheMode Resource::cpuCacheMode() const {
  return options_ & ResourceCPUCacheModeWriteCombined ? CPUCacheModeWriteCombined : CPUCacheModeDefaultCache;
}

HazardTrackingMode Resource::hazardTrackingMode() const { return HazardTrackingMode(options_ >> 8 & 3); }

StorageMode Resource::storageMode() const { return StorageMode(options_ >> 4 & 3); }

void Resource::setLabel(const NS::String* label) { metal_software::assign_copy(label_, label); }

PurgeableState Resource::setPurgeableState(PurgeableState state) { return PurgeableStateNonVolatile; }

Buffer::Buffer(void* bytes, NS::UInteger length, NS::UInteger mapped, ResourceOptions options, Deallocator deallocator)
    : Referencing(options), bytes_(bytes), length_(length), deallocator_(std::move(deallocator)) {
  allocated_size_ = mapped;
  metal_software::add_live_buffer(bytes_, length_);
}

Buffer::~Buffer() {
  metal_software::remove_live_buffer(bytes_);
  if (allocated_size_) metal_software::unmap_memory({bytes_, allocated_size_});
  if (deallocator_) deallocator_(bytes_, length_);
}

void* Buffer::contents() { return storageMode() == StorageModePrivate ? nullptr : bytes_; }

}  // namespace MTL
