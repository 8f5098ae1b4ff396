// Kernels' machine code in binary archives, one file each in the cache folder. Faults of files and disks are no errors:
// Metal compiles again.
#include <CoreFoundation/CoreFoundation.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <vector>

#include "cache_settings.h"
#include "metal/platform.h"

namespace torch_metal {
namespace {

namespace fs = std::filesystem;

/// Archives hold code for one GPU and one system.
fs::path archives_folder(MTL::Device* device) {
  const std::string system = NS::ProcessInfo::processInfo()->operatingSystemVersionString()->utf8String();
  std::string name = std::string(device->name()->utf8String()) + ", " + system;
  std::replace(name.begin(), name.end(), '/', '-');
  return cache_folder() / name;
}

NS::URL* url_of(const fs::path& path) {
  return NS::URL::fileURLWithPath(NS::String::string(path.c_str(), NS::UTF8StringEncoding));
}

/// The archive at `path`, or a new one without a path; null if it cannot be used.
NS::SharedPtr<MTL::BinaryArchive> open_archive(MTL::Device* device, const fs::path& path) {
  const auto descriptor = NS::TransferPtr(MTL::BinaryArchiveDescriptor::alloc()->init());
  if (!path.empty()) descriptor->setUrl(url_of(path));
  NS::Error* error = nullptr;
  return NS::TransferPtr(device->newBinaryArchive(descriptor.get(), &error));
}

/// Deletes the oldest files until the folder is as small as the user wants it.
void shrink(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::directory_entry> files(fs::directory_iterator(folder, ignored), fs::directory_iterator());
  std::sort(files.begin(), files.end(), [&](const auto& a, const auto& b) {
    return a.last_write_time(ignored) > b.last_write_time(ignored);
  });
  uint64_t bytes = 0;
  for (const fs::directory_entry& file : files) {
    bytes += file.file_size(ignored);
    if (bytes > cache_limit()) fs::remove(file.path(), ignored);
  }
}

/// Written beside its place and moved there, so that no other process sees a part of it.
void keep(MTL::Device* device, const MTL::ComputePipelineDescriptor* descriptor, const fs::path& path) {
  const auto archive = open_archive(device, {});
  NS::Error* error = nullptr;
  if (!archive || !archive->addComputePipelineFunctions(descriptor, &error)) return;
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  const fs::path part = path.string() + "." + std::to_string(getpid());
  if (archive->serializeToURL(url_of(part), &error)) fs::rename(part, path, failed);
  fs::remove(part, failed);
  static std::once_flag once;
  std::call_once(once, shrink, path.parent_path());
}

}  // namespace

MTL::ComputePipelineState* new_kept_pipeline(MTL::Device* device, const MTL::Function* function, const std::string& key,
                                             MTL::ComputePipelineReflection** reflection, NS::Error** error) {
  const auto descriptor = NS::TransferPtr(MTL::ComputePipelineDescriptor::alloc()->init());
  descriptor->setComputeFunction(function);
  const fs::path path = key.empty() || cache_limit() == 0 ? fs::path() : archives_folder(device) / (key + ".metalar");
  std::error_code ignored;
  const bool is_kept = !path.empty() && fs::exists(path, ignored);
  if (const auto archive = is_kept ? open_archive(device, path) : NS::SharedPtr<MTL::BinaryArchive>()) {
    const NS::Object* const archives[] = {archive.get()};
    descriptor->setBinaryArchives(NS::Array::array(archives, 1));
  }
  MTL::ComputePipelineState* const pipeline =
      device->newComputePipelineState(descriptor.get(), MTL::PipelineOptionArgumentInfo, reflection, error);
  if (pipeline && !path.empty() && !is_kept) keep(device, descriptor.get(), path);
  return pipeline;
}

}  // namespace torch_metal
