#pragma once

#include "Metal/MTLAllocation.hpp"

namespace metal_software {
class References;
}

namespace MTL {

class Device;

enum PurgeableState : NS::UInteger {
  PurgeableStateKeepCurrent = 1,
  PurgeableStateNonVolatile = 2,
  PurgeableStateVolatile = 3,
  PurgeableStateEmpty = 4,
};

enum CPUCacheMode : NS::UInteger { CPUCacheModeDefaultCache = 0, CPUCacheModeWriteCombined = 1 };

enum StorageMode : NS::UInteger {
  StorageModeShared = 0,
  StorageModeManaged = 1,
  StorageModePrivate = 2,
};

enum HazardTrackingMode : NS::UInteger {
  HazardTrackingModeDefault = 0,
  HazardTrackingModeUntracked = 1,
  HazardTrackingModeTracked = 2,
};

using ResourceOptions = NS::UInteger;
enum : ResourceOptions {
  ResourceCPUCacheModeDefaultCache = 0,
  ResourceCPUCacheModeWriteCombined = 1,
  ResourceStorageModeShared = 0,
  ResourceStorageModeManaged = 1 << 4,
  ResourceStorageModePrivate = 1 << 5,
  ResourceHazardTrackingModeDefault = 0,
  ResourceHazardTrackingModeUntracked = 1 << 8,
  ResourceHazardTrackingModeTracked = 1 << 9,
  ResourceOptionCPUCacheModeDefault = 0,
  ResourceOptionCPUCacheModeWriteCombined = 1,
};

class Resource : public NS::Referencing<Resource, Allocation> {
 public:
  CPUCacheMode cpuCacheMode() const;
  Device* device() const;
  HazardTrackingMode hazardTrackingMode() const;
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);
  ResourceOptions resourceOptions() const { return options_; }
  StorageMode storageMode() const;
  /// Always NonVolatile: nothing is purged here.
  PurgeableState setPurgeableState(PurgeableState state);

 protected:
  explicit Resource(ResourceOptions options) : options_(options) {}

 private:
  friend class metal_software::References;
  ResourceOptions options_;
  NS::SharedPtr<NS::String> label_;
  mutable std::atomic<uint64_t> retained_by_{0};  // the command buffer that retained it last
};

}  // namespace MTL
