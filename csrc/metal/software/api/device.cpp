#include <Metal/Metal.hpp>

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif
#include <sys/utsname.h>

#include <cstring>
#include <fstream>
#include <string>

#include "api/objects.h"
#include "execution/faults.h"
#include "execution/memory.h"
#include "execution/pipeline.h"
#include "execution/spin.h"
#include "execution/text.h"
#include "metal/validation.h"
#include "mslc/mslc.h"

namespace MTL {

using metal_software::compute_pipeline_error_domain;
using metal_software::library_error_domain;
using metal_software::fails;
using metal_software::Pipeline;
using metal_software::Place;
using metal_software::report;

namespace {

// The processor's own name where the system tells it (Linux: on x86), else its architecture.
std::string cpu_name() {
#ifdef __APPLE__
  char name[128];
  size_t size = sizeof name;
  return sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0) == 0 ? name : "unknown CPU";
#else
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  utsname system;
  return uname(&system) == 0 ? system.machine : "unknown CPU";
#endif
}

std::string text_of(const NS::Object* value) { return value->description()->utf8String(); }

mslc::CompileOptions compiler_options(const CompileOptions* options) {
  mslc::CompileOptions result;
  result.fast_math = !options || options->fastMathEnabled();
  result.validate = torch_metal::validating();
  const NS::Dictionary* const macros = options ? options->preprocessorMacros() : nullptr;
  if (!macros) return result;
  const auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
  auto* const names = macros->keyEnumerator<NS::String>();
  while (NS::String* const name = names->nextObject())
    result.macros.emplace_back(name->utf8String(), text_of(macros->object(name)));
  return result;
}

}  // namespace

// The device is one object that is never destroyed; each caller gets a reference.
Device* CreateSystemDefaultDevice() {
  if (fails(Place::open_device)) return nullptr;
  static Device* const device = new Device;
  return device->retain();
}

NS::Array* CopyAllDevices() {
  const auto device = NS::TransferPtr(CreateSystemDefaultDevice());
  const NS::Object* const devices[] = {device.get()};
  return NS::Array::alloc()->init(devices, 1);
}

// Every object is of the one device, which outlives it.
namespace {
Device* the_device() {
  static Device* const device = CreateSystemDefaultDevice();
  return device;
}
}  // namespace
Device* CommandBuffer::device() const { return the_device(); }
Device* CommandEncoder::device() const { return the_device(); }
Device* CommandQueue::device() const { return the_device(); }
Device* ComputePipelineState::device() const { return the_device(); }
Device* Event::device() const { return the_device(); }
Device* Fence::device() const { return the_device(); }
Device* Function::device() const { return the_device(); }
Device* Library::device() const { return the_device(); }
Device* ResidencySet::device() const { return the_device(); }
Device* Resource::device() const { return the_device(); }

NS::String* Architecture::name() const { return MTLSTR("mslc"); }

NS::String* Device::name() const {
  static NS::String* const name =
      metal_software::make_string("Software Metal device (mslc, " + cpu_name() + ")")->retain();
  return name;
}

Architecture* Device::architecture() const {
  static Architecture* const architecture = new Architecture;
  return architecture;
}

uint64_t Device::registryID() const { return 1; }

bool Device::supportsFamily(GPUFamily gpuFamily) {
  switch (gpuFamily) {
    case GPUFamilyApple8:
    case GPUFamilyApple9:
    case GPUFamilyApple10:
    case GPUFamilyMetal4:
      return false;
    default:
      return true;
  }
}

uint64_t Device::recommendedMaxWorkingSetSize() const { return metal_software::memory_limit(); }

NS::UInteger Device::maxBufferLength() const { return metal_software::memory_limit(); }

NS::UInteger Device::currentAllocatedSize() const { return metal_software::mapped_bytes(); }

Size Device::maxThreadsPerThreadgroup() const {
  constexpr NS::UInteger kMax = mslc::kMaxThreadsPerThreadgroup;
  return Size(kMax, kMax, kMax);
}

NS::UInteger Device::maxThreadgroupMemoryLength() const { return metal_software::kMaxThreadgroupMemory; }

Buffer* Device::newBuffer(NS::UInteger length, ResourceOptions options) {
  if (length == 0 || fails(Place::new_buffer, length)) return nullptr;
  const metal_software::Mapping memory = metal_software::map_memory(length);
  return memory.address ? new Buffer(memory.address, length, memory.bytes, options, nullptr) : nullptr;
}

Buffer* Device::newBuffer(const void* pointer, NS::UInteger length, ResourceOptions options) {
  Buffer* const buffer = newBuffer(length, options);
  if (buffer) std::memcpy(buffer->bytes_, pointer, length);
  return buffer;
}

Buffer* Device::newBuffer(const void* pointer, NS::UInteger length, ResourceOptions options,
                          const std::function<void(void*, NS::UInteger)>& deallocator) {
  if (!pointer || length == 0 || fails(Place::new_buffer, length)) return nullptr;
  return new Buffer(const_cast<void*>(pointer), length, 0, options, deallocator);
}

Library* Device::newLibrary(const NS::String* source, const CompileOptions* options, NS::Error** error) {
  if (fails(Place::new_library))
    return report(error, library_error_domain(), LibraryErrorInternal, "Compiler encountered an internal error");
  try {
    return new Library(mslc::Library::compile(source->utf8String(), compiler_options(options)));
  } catch (const mslc::CompileError& failure) {
    return report(error, library_error_domain(), LibraryErrorCompileFailure, failure.what());
  } catch (const std::exception& failure) {
    return report(error, library_error_domain(), LibraryErrorInternal, failure.what());
  }
}

ComputePipelineState* Device::newComputePipelineState(const Function* computeFunction, NS::Error** error) {
  return newComputePipelineState(computeFunction, PipelineOptionNone, nullptr, error);
}

ComputePipelineState* Device::newComputePipelineState(const Function* computeFunction, PipelineOption options,
                                                      const AutoreleasedComputePipelineReflection* reflection,
                                                      NS::Error** error) {
  const auto descriptor = NS::TransferPtr(ComputePipelineDescriptor::alloc()->init());
  descriptor->setComputeFunction(computeFunction);
  return newComputePipelineState(descriptor.get(), options, reflection, error);
}

ComputePipelineState* Device::newComputePipelineState(const ComputePipelineDescriptor* descriptor,
                                                      PipelineOption options,
                                                      const AutoreleasedComputePipelineReflection* reflection,
                                                      NS::Error** error) {
  const Function* const function = descriptor->computeFunction();
  if (!function)
    return report(error, compute_pipeline_error_domain(), LibraryErrorFunctionNotFound, "no compute function is given");
  if (fails(Place::new_pipeline))
    return report(error, compute_pipeline_error_domain(), LibraryErrorInternal,
                  "Compiler encountered an internal error");
  try {
    auto kernel = function->library_->kernel(function->kernel_, function->constants_);
    NS::UInteger max_threads = kernel->info().max_threads_per_threadgroup;
    if (const NS::UInteger wanted = descriptor->maxTotalThreadsPerThreadgroup())
      max_threads = std::min(max_threads, wanted);
    auto arguments = NS::TransferPtr(new ComputePipelineReflection(kernel->info()));
    // metal-cpp declares this result const.
    if (reflection)
      *const_cast<AutoreleasedComputePipelineReflection*>(reflection) = arguments->retain()->autorelease();
    auto pipeline = std::make_unique<Pipeline>(std::move(kernel), max_threads);
    return new ComputePipelineState(std::move(pipeline), NS::RetainPtr(descriptor->label()), std::move(arguments));
  } catch (const std::exception& failure) {
    return report(error, compute_pipeline_error_domain(), LibraryErrorCompileFailure, failure.what());
  }
}

CommandQueue* Device::newCommandQueue() { return newCommandQueue(64); }

CommandQueue* Device::newCommandQueue(NS::UInteger maxCommandBufferCount) {
  return maxCommandBufferCount && !fails(Place::new_command_queue) ? new CommandQueue(maxCommandBufferCount) : nullptr;
}

CommandQueue* Device::newCommandQueue(const CommandQueueDescriptor* descriptor) {
  return newCommandQueue(descriptor->maxCommandBufferCount());
}

Event* Device::newEvent() { return fails(Place::new_event) ? nullptr : new Event; }

SharedEvent* Device::newSharedEvent() { return fails(Place::new_event) ? nullptr : new SharedEvent; }

Fence* Device::newFence() { return fails(Place::new_event) ? nullptr : new Fence; }

ResidencySet* Device::newResidencySet(const ResidencySetDescriptor*, NS::Error** error) {
  if (fails(Place::new_residency_set))
    return report(error, MTLSTR("MTLResidencySetErrorDomain"), 1, "Out of memory");
  return new ResidencySet;
}

void Device::sampleTimestamps(Timestamp* cpuTimestamp, Timestamp* gpuTimestamp) {
  *cpuTimestamp = *gpuTimestamp = metal_software::now_ns();
}

}  // namespace MTL
