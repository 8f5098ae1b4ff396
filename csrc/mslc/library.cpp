// The public interface: sources to libraries to kernels.
#include <cstdlib>
#include <stdexcept>

#include "front/translate.h"
#include "mslc/mslc.h"

namespace mslc {

namespace {

class TranslatedLibrary : public Library {
 public:
  TranslatedLibrary(std::string_view source, const CompileOptions& options) : translation_(translate(source, options)) {}

  const std::vector<KernelInfo>& kernels() const override { return translation_.kernels; }
  const std::vector<FunctionConstant>& function_constants() const override { return translation_.constants; }

  std::shared_ptr<const Kernel> kernel(const std::string& name, const ConstantValues&) const override {
    for (const KernelInfo& info : kernels()) {
      if (info.name == name) throw CompileError(name + ": no code generator in this build\n");
    }
    throw std::out_of_range("no kernel named '" + name + "'");
  }

 private:
  Translation translation_;
};

}  // namespace

std::shared_ptr<Library> Library::compile(std::string_view source, const CompileOptions& options) {
  return std::make_shared<TranslatedLibrary>(source, options);
}

std::string version() { return "mslc 0.1 (LLVM 19)"; }

std::string cache_directory() {
  if (const char* directory = std::getenv("TORCH_METAL_CACHE_DIR")) return directory;
  if (const char* base = std::getenv("XDG_CACHE_HOME")) return std::string(base) + "/torch_metal";
  const char* home = std::getenv("HOME");
  return std::string(home ? home : "/tmp") + "/.cache/torch_metal";
}

uint64_t clear_cache() { return 0; }

}  // namespace mslc
