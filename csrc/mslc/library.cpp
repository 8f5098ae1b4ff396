// The public interface: sources to libraries to kernels, through the cache.
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/Support/MemoryBufferRef.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/Triple.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "cache/disk_cache.h"
#include "cache/translated_source.h"
#include "codegen/codegen.h"
#include "compiler_thread.h"
#include "executor/executor.h"
#include "executor/machine_code.h"
#include "front/translate.h"
#include "host_triple.h"
#include "mslc/mslc.h"

namespace mslc {

namespace {

// Code for a CPU is made later: options.cpu is no part of this key.
Digest translation_key(std::string_view source, const CompileOptions& options) {
  Hasher hasher;
  hasher.add("translation").add(compiler_digest()).add(source).add(options.file_name).add(uint64_t{options.fast_math});
  hasher.add(options.include_directories.size());
  for (const std::string& directory : options.include_directories) {
    hasher.add(std::filesystem::absolute(directory).native());
  }
  hasher.add(options.macros.size());
  for (const auto& [name, value] : options.macros) hasher.add(name).add(value);
  if (options.validate) hasher.add("validate");
  return hasher.finish();
}

std::optional<TranslatedSource> load_translation(const Digest& key) {
  const std::optional<std::string> bytes = load_from_cache(key);
  if (!bytes) return std::nullopt;
  TranslatedSource source = deserialise_source(*bytes);
  if (!unchanged(source.dependencies)) return std::nullopt;
  return source;
}

TranslatedSource translate_through_cache(std::string_view source, const CompileOptions& options) {
  const Digest key = translation_key(source, options);
  if (auto known = load_translation(key)) return std::move(*known);
  TranslatedSource translated = on_compiler_thread([&] { return to_source(translate(source, options)); });
  // A file that was edited meanwhile may have been read before or after.
  if (unchanged(translated.dependencies)) store_in_cache(key, serialise(translated));
  return translated;
}

class TranslatedLibrary : public Library {
 public:
  TranslatedLibrary(TranslatedSource source, const CompileOptions& options)
      : source_(std::move(source)), options_(options), digest_(Hasher().add(serialise(source_)).finish()) {}

  const std::vector<KernelInfo>& kernels() const override { return source_.kernels; }
  const std::vector<FunctionConstant>& function_constants() const override { return source_.constants; }

  std::shared_ptr<const Kernel> kernel(const std::string& name, const ConstantValues& constants) const override {
    const size_t index = index_of(name);
    return load(deserialise(compiled(index, constants)), kernels()[index]);
  }

  std::string machine_code(const std::string& name, const ConstantValues& constants) const override {
    const size_t index = index_of(name);
    return pack_machine_code(kernels()[index], compiled(index, constants));
  }

  std::string code(const std::string& name, CodeForm form, const ConstantValues& constants) const override {
    const size_t index = index_of(name);
    return on_compiler_thread([&] {
      llvm::LLVMContext context;
      return generate_text(*module_in(context), source_.kernel_functions[index], kernels()[index], constants, options_, form);
    });
  }

 private:
  size_t index_of(const std::string& name) const {
    const auto found = std::find_if(kernels().begin(), kernels().end(), [&](const auto& info) { return info.name == name; });
    if (found == kernels().end()) throw std::out_of_range("no kernel named '" + name + "'");
    return found - kernels().begin();
  }

  /// A CompiledKernel as bytes.
  std::string compiled(size_t index, const ConstantValues& constants) const {
    const Digest key = kernel_key(index, constants);
    if (std::optional<std::string> known = load_from_cache(key)) return std::move(*known);
    std::string bytes = on_compiler_thread([&] {
      llvm::LLVMContext context;
      return serialise(
          generate(*module_in(context), source_.kernel_functions[index], kernels()[index], constants, options_));
    });
    store_in_cache(key, bytes);
    return bytes;
  }

  Digest kernel_key(size_t index, const ConstantValues& constants) const {
    Hasher hasher;
    hasher.add("kernel").add(compiler_digest()).add(digest_).add(source_.kernel_functions[index]);
    hasher.add(target_description(options_)).add(uint64_t{options_.fast_math}).add(constants.size());
    if (options_.validate) hasher.add("validate");
    for (const auto& [constant, bytes] : constants)
      hasher.add(constant).add(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    return hasher.finish();
  }

  // In a context of the caller's own, so that kernels of one library may be generated on several threads.
  std::unique_ptr<llvm::Module> module_in(llvm::LLVMContext& context) const {
    auto module = llvm::parseBitcodeFile(llvm::MemoryBufferRef(source_.bitcode, "library"), context);
    if (!module) throw CompileError(llvm::toString(module.takeError()));
    return std::move(*module);
  }

  TranslatedSource source_;
  CompileOptions options_;
  Digest digest_;  // of the code and of the arguments' places
};

}  // namespace

std::shared_ptr<Library> Library::compile(std::string_view source, const CompileOptions& options) {
  return std::make_shared<TranslatedLibrary>(translate_through_cache(source, options), options);
}

std::string version() {
  const llvm::Triple triple(host_triple());
  return "mslc 0.1 (LLVM " LLVM_VERSION_STRING ", " + triple.getArchName().str() + " " + llvm::sys::getHostCPUName().str() + ")";
}

}  // namespace mslc
