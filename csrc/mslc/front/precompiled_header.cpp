#include "front/precompiled_header.h"

#include <clang/Frontend/FrontendActions.h>
#include <clang/Serialization/ASTWriter.h>

#include <mutex>

#include "cache/disk_cache.h"
#include "front/compiler.h"
#include "front/diagnostics.h"
#include "front/stdlib_files.h"

namespace mslc {

namespace {

class PrecompileAction : public clang::ASTFrontendAction {
 public:
  const std::shared_ptr<clang::PCHBuffer>& buffer() const { return buffer_; }

 protected:
  std::unique_ptr<clang::ASTConsumer> CreateASTConsumer(clang::CompilerInstance& compiler, llvm::StringRef) override {
    return std::make_unique<clang::PCHGenerator>(
        compiler.getPreprocessor(), compiler.getModuleCache(), /*OutputFile=*/"", /*isysroot=*/"", buffer_,
        /*Extensions=*/llvm::ArrayRef<std::shared_ptr<clang::ModuleFileExtension>>(),
        /*AllowASTWithErrors=*/false, /*IncludeTimestamps=*/false);
  }

  bool BeginSourceFileAction(clang::CompilerInstance& compiler) override {
    compiler.getLangOpts().CompilingPCH = true;
    return true;
  }

  void ExecuteAction() override {
    getCompilerInstance().createSema(clang::TU_Prefix, nullptr);
    parse_rewritten(getCompilerInstance(), [](const TokenBuffer&) {});
  }

  clang::TranslationUnitKind getTranslationUnitKind() override { return clang::TU_Prefix; }

 private:
  std::shared_ptr<clang::PCHBuffer> buffer_ = std::make_shared<clang::PCHBuffer>();
};

std::string precompile(const CompileOptions& options) {
  std::string includes;
  for (size_t i = 0; i < stdlib_files_count; ++i) includes += "#include <" + std::string(stdlib_files[i].name) + ">\n";
  const auto source = llvm::MemoryBuffer::getMemBuffer(includes, "standard library");

  Diagnostics diagnostics;
  const auto compiler =
      make_compiler(options, standard_files(llvm::vfs::getRealFileSystem(), nullptr), diagnostics.consumer());
  clang::FrontendOptions& frontend = compiler->getFrontendOpts();
  frontend.Inputs = {clang::FrontendInputFile(source->getMemBufferRef(), clang::Language::CXX)};
  PrecompileAction action;
  if (!compiler->ExecuteAction(action) || !action.buffer()->IsComplete) throw CompileError(diagnostics.text());
  const auto& data = action.buffer()->Data;
  return {data.begin(), data.end()};
}

std::string load_or_precompile(const CompileOptions& options) {
  const Digest key = Hasher().add("precompiled header").add(compiler_digest()).add(uint64_t{options.fast_math}).finish();
  if (auto known = load_from_cache(key)) return std::move(*known);
  std::string header = precompile(options);
  store_in_cache(key, header);
  return header;
}

}  // namespace

const llvm::MemoryBuffer& precompiled_header(const CompileOptions& options) {
  static std::mutex mutex;
  static std::string headers[2];  // by fast_math, the one option that they depend on
  static std::unique_ptr<llvm::MemoryBuffer> buffers[2];
  const std::lock_guard lock(mutex);
  std::unique_ptr<llvm::MemoryBuffer>& buffer = buffers[options.fast_math];
  if (!buffer) {
    CompileOptions neutral;
    neutral.fast_math = options.fast_math;
    std::string& header = headers[options.fast_math];
    header = load_or_precompile(neutral);
    buffer = llvm::MemoryBuffer::getMemBuffer(header, kPrecompiledHeaderPath);
  }
  return *buffer;
}

}  // namespace mslc
