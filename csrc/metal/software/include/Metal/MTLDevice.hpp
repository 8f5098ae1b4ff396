#pragma once

#include <functional>

#include "Foundation/Foundation.hpp"
#include "Metal/MTLResource.hpp"
#include "Metal/MTLTypes.hpp"

namespace MTL {

class Buffer;
class CommandQueue;
class CommandQueueDescriptor;
class CompileOptions;
class ComputePipelineDescriptor;
class ComputePipelineReflection;
class ComputePipelineState;
class Device;
class Event;
class Fence;
class Function;
class Library;
class ResidencySet;
class ResidencySetDescriptor;
class SharedEvent;

enum GPUFamily : NS::Integer {
  GPUFamilyApple1 = 1001,
  GPUFamilyApple2 = 1002,
  GPUFamilyApple3 = 1003,
  GPUFamilyApple4 = 1004,
  GPUFamilyApple5 = 1005,
  GPUFamilyApple6 = 1006,
  GPUFamilyApple7 = 1007,
  GPUFamilyApple8 = 1008,
  GPUFamilyApple9 = 1009,
  GPUFamilyApple10 = 1010,
  GPUFamilyMac1 = 2001,
  GPUFamilyMac2 = 2002,
  GPUFamilyCommon1 = 3001,
  GPUFamilyCommon2 = 3002,
  GPUFamilyCommon3 = 3003,
  GPUFamilyMetal3 = 5001,
  GPUFamilyMetal4 = 5002,
};

enum DeviceLocation : NS::UInteger {
  DeviceLocationBuiltIn = 0,
  DeviceLocationSlot = 1,
  DeviceLocationExternal = 2,
  DeviceLocationUnspecified = NS::UIntegerMax,
};

using PipelineOption = NS::UInteger;
enum : PipelineOption {
  PipelineOptionNone = 0,
  PipelineOptionArgumentInfo = 1,
  PipelineOptionBindingInfo = 1,
  PipelineOptionBufferTypeInfo = 1 << 1,
};

using AutoreleasedComputePipelineReflection = ComputePipelineReflection*;
using Timestamp = uint64_t;

/// The software device, one reference more.
Device* CreateSystemDefaultDevice();
/// All devices: one.
NS::Array* CopyAllDevices();

class Architecture : public NS::Copying<Architecture> {
 public:
  NS::String* name() const;

 private:
  friend class Device;
  Architecture() = default;
};

class Device : public NS::Referencing<Device> {
 public:
  NS::String* name() const;
  Architecture* architecture() const;
  uint64_t registryID() const;
  DeviceLocation location() const { return DeviceLocationBuiltIn; }
  bool hasUnifiedMemory() const { return true; }
  bool isHeadless() const { return true; }
  bool isLowPower() const { return false; }
  bool isRemovable() const { return false; }
  /// The features that kernels may use are those of Apple7 (M1).
  bool supportsFamily(GPUFamily gpuFamily);

  /// Physical memory, or less if a control group or TORCH_METAL_MEMORY_LIMIT says so.
  uint64_t recommendedMaxWorkingSetSize() const;
  NS::UInteger maxBufferLength() const;
  /// Bytes in buffers that exist.
  NS::UInteger currentAllocatedSize() const;
  Size maxThreadsPerThreadgroup() const;
  NS::UInteger maxThreadgroupMemoryLength() const;

  /// Zero-filled, aligned to 16 KB. Null if length is 0 or there is no such memory.
  Buffer* newBuffer(NS::UInteger length, ResourceOptions options);
  /// A copy of `length` bytes.
  Buffer* newBuffer(const void* pointer, NS::UInteger length, ResourceOptions options);
  /// Uses the caller's memory in place; `deallocator`, if any, gets it back when the buffer ends. Code that also
  /// runs on Apple's metal-cpp passes nullptr, as a block there is not a function here.
  Buffer* newBuffer(const void* pointer, NS::UInteger length, ResourceOptions options,
                    const std::function<void(void*, NS::UInteger)>& deallocator);

  /// Compiles MSL. Null, and the compiler's text in `error`, if it is not valid.
  Library* newLibrary(const NS::String* source, const CompileOptions* options, NS::Error** error);

  ComputePipelineState* newComputePipelineState(const Function* computeFunction, NS::Error** error);
  ComputePipelineState* newComputePipelineState(const Function* computeFunction, PipelineOption options,
                                                const AutoreleasedComputePipelineReflection* reflection,
                                                NS::Error** error);
  ComputePipelineState* newComputePipelineState(const ComputePipelineDescriptor* descriptor, PipelineOption options,
                                                const AutoreleasedComputePipelineReflection* reflection,
                                                NS::Error** error);

  CommandQueue* newCommandQueue();
  CommandQueue* newCommandQueue(NS::UInteger maxCommandBufferCount);
  CommandQueue* newCommandQueue(const CommandQueueDescriptor* descriptor);

  Event* newEvent();
  SharedEvent* newSharedEvent();
  Fence* newFence();
  ResidencySet* newResidencySet(const ResidencySetDescriptor* desc, NS::Error** error);

  /// Both clocks are the same one, in nanoseconds.
  void sampleTimestamps(Timestamp* cpuTimestamp, Timestamp* gpuTimestamp);

 private:
  friend Device* CreateSystemDefaultDevice();
  Device() = default;
};

}  // namespace MTL
