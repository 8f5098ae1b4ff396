// Libraries that tools/precompile.py made when the package was built: lib/<family>.metallib beside the module.
#include <dlfcn.h>

#include <filesystem>
#include <system_error>

#include "metal/platform.h"

namespace torch_metal {
namespace {

namespace fs = std::filesystem;

fs::path module_folder() {
  Dl_info info{};
  const auto* const here = reinterpret_cast<const void*>(&precompiled_library);
  return dladdr(here, &info) && info.dli_fname ? fs::path(info.dli_fname).parent_path() : fs::path();
}

}  // namespace

MTL::Library* precompiled_library(MTL::Device* device, const std::string& family) {
  const auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
  const fs::path path = module_folder() / "lib" / (family + ".metallib");
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return nullptr;
  NS::Error* error = nullptr;  // a library that this system cannot read is as good as none
  return device->newLibrary(NS::URL::fileURLWithPath(NS::String::string(path.c_str(), NS::UTF8StringEncoding)), &error);
}

}  // namespace torch_metal
