#include "metal/platform.h"

#include <filesystem>

namespace torch_metal {
namespace {

constexpr NS::Integer kOldestMacOS = 14;

bool is_macos(NS::Integer major) {
  return NS::ProcessInfo::processInfo()->isOperatingSystemAtLeastVersion({major, 0, 0});
}

std::string macos_version() {
  return NS::ProcessInfo::processInfo()->operatingSystemVersionString()->utf8String();
}

std::string text(const NS::Error* error) {
  return error ? error->localizedDescription()->utf8String() : "Metal gives no reason";
}

}  // namespace

const char* device_kind() { return "apple"; }

MTL::Device* open_metal_device(std::string& reason) {
  const auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
  if (!is_macos(kOldestMacOS)) {
    reason = "torch_metal needs macOS 14 or newer; this is macOS " + macos_version();
    return nullptr;
  }
  auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  if (!device) {
    reason = "This Mac shows no Metal device. Virtual machines need a paravirtualised GPU, and processes started by ssh "
             "or launchd may lack access to it";
    return nullptr;
  }
  if (!device->supportsFamily(MTL::GPUFamilyApple7)) {
    reason = std::string("torch_metal needs an Apple GPU (M1 or newer); this Mac's is ") + device->name()->utf8String();
    return nullptr;
  }
  return device->retain();
}

bool has_residency_sets() {
  static const bool available = is_macos(15);
  return available;
}

std::string start_capture(MTL::Device* device, const std::string& path) {
  const auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return "there is a file of that name already";
  MTL::CaptureManager* const manager = MTL::CaptureManager::sharedCaptureManager();
  if (!manager->supportsDestination(MTL::CaptureDestinationGPUTraceDocument))
    return "Metal captures only in processes that are started with MTL_CAPTURE_ENABLED=1";
  const auto descriptor = NS::TransferPtr(MTL::CaptureDescriptor::alloc()->init());
  descriptor->setCaptureObject(device);
  descriptor->setDestination(MTL::CaptureDestinationGPUTraceDocument);
  descriptor->setOutputURL(NS::URL::fileURLWithPath(NS::String::string(path.c_str(), NS::UTF8StringEncoding)));
  NS::Error* error = nullptr;
  return manager->startCapture(descriptor.get(), &error) ? std::string() : text(error);
}

void stop_capture() { MTL::CaptureManager::sharedCaptureManager()->stopCapture(); }

}  // namespace torch_metal
