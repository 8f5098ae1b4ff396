#include "front/compiler.h"

#include <clang/AST/ASTConsumer.h>
#include <clang/AST/ASTContext.h>
#include <clang/AST/ExternalASTSource.h>
#include <clang/Basic/TargetInfo.h>
#include <clang/Frontend/CompilerInvocation.h>
#include <clang/Lex/PreprocessorOptions.h>
#include <clang/Parse/Parser.h>
#include <clang/Sema/EnterExpressionEvaluationContext.h>
#include <clang/Sema/Sema.h>
#include <llvm/TargetParser/Host.h>

#include "front/rewrites/rewrites.h"
#include "front/stdlib_files.h"
#include "host_triple.h"

namespace mslc {

namespace {

// C++17 with SYCL's address spaces: disjoint when named, each convertible to the unnamed one.
std::vector<std::string> compiler_arguments(const CompileOptions& options) {
  const std::string triple = host_triple();
  std::vector<std::string> arguments = {
      "-triple", triple, "-aux-triple", triple,  // without -aux-triple __bf16 has no mangled name
      "-x", "c++", "-std=c++17", "-fsycl-is-device", "-fdeclspec", "-fnative-half-type",
      "-fnative-half-arguments-and-returns", "-fbfloat16-excess-precision=none", "-flax-vector-conversions=none", "-fno-rtti", "-fno-builtin",
      "-fno-threadsafe-statics", "-fdeprecated-macro", "-nostdsysteminc", "-nobuiltininc", "-relaxed-aliasing",
      "-O2", "-disable-llvm-passes", "-w", "-ferror-limit", "20",
      options.fast_math ? "-ffp-contract=fast" : "-ffp-contract=on",
      "-main-file-name", options.file_name};
  if (options.validate) arguments.insert(arguments.end(), {"-debug-info-kind=line-tables-only", "-dwarf-version=5"});
  if (options.fast_math) {
    // Metal's "relaxed": fast math, except that NaN and infinity keep their meaning.
    for (const char* flag : {"-mreassociate", "-freciprocal-math", "-fno-signed-zeros", "-fapprox-func"}) {
      arguments.emplace_back(flag);
    }
  }
  for (const std::string& directory : options.include_directories) {
    arguments.insert(arguments.end(), {"-I", directory});
  }
  arguments.insert(arguments.end(), {"-isystem", kStdlibPath});
  const std::string fast = options.fast_math ? "1" : "0";
  for (const std::string& macro :
       {std::string("__METAL__=1"), std::string("__METAL_VERSION__=320"), std::string("__METAL_MACOS__=1"),
        std::string("__HAVE_BFLOAT__=1"), "__METAL_FAST_MATH__=" + fast}) {
    arguments.push_back("-D" + macro);
  }
  for (const auto& [name, value] : options.macros) arguments.push_back("-D" + name + "=" + value);
  arguments.push_back(options.file_name);
  return arguments;
}

}  // namespace

llvm::IntrusiveRefCntPtr<llvm::vfs::OverlayFileSystem> standard_files(
    llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> base, const llvm::MemoryBuffer* precompiled_header) {
  auto memory = llvm::makeIntrusiveRefCnt<llvm::vfs::InMemoryFileSystem>();
  for (size_t i = 0; i < stdlib_files_count; ++i) {
    const EmbeddedFile& file = stdlib_files[i];
    const std::string path = std::string(kStdlibPath) + "/" + file.name;
    memory->addFileNoOwn(path, 0, llvm::MemoryBufferRef(llvm::StringRef(file.text, file.size), path));
  }
  if (precompiled_header) {
    memory->addFileNoOwn(kPrecompiledHeaderPath, 0,
                         llvm::MemoryBufferRef(precompiled_header->getBuffer(), kPrecompiledHeaderPath));
  }
  auto files = llvm::makeIntrusiveRefCnt<llvm::vfs::OverlayFileSystem>(std::move(base));
  files->pushOverlay(memory);
  return files;
}

std::unique_ptr<clang::CompilerInstance> make_compiler(const CompileOptions& options,
                                                       llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> files,
                                                       clang::DiagnosticConsumer& diagnostics) {
  const std::vector<std::string> arguments = compiler_arguments(options);
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  const auto argument_diagnostics =
      clang::CompilerInstance::createDiagnostics(new clang::DiagnosticOptions, &diagnostics, /*ShouldOwnClient=*/false);
  auto compiler = std::make_unique<clang::CompilerInstance>();
  clang::CompilerInvocation::CreateFromArgs(compiler->getInvocation(), pointers, *argument_diagnostics);
  compiler->createDiagnostics(&diagnostics, /*ShouldOwnClient=*/false);
  compiler->getLangOpts().Half = true;  // the keyword `half`; no flag turns it on in C++
  compiler->getPreprocessorOpts().DisablePCHOrModuleValidation = clang::DisableValidationForModuleKind::PCH;
  compiler->getFrontendOpts().DisableFree = false;
  compiler->setVerboseOutputStream(llvm::nulls());  // "2 errors generated."
  compiler->createFileManager(std::move(files));
  return compiler;
}

void parse_rewritten(clang::CompilerInstance& compiler, llvm::function_ref<void(const TokenBuffer&)> inspect) {
  clang::Sema& sema = compiler.getSema();
  clang::Preprocessor& preprocessor = compiler.getPreprocessor();
  clang::ASTConsumer& consumer = compiler.getASTConsumer();
  sema.Initialize();
  // Before lexing: the parser's pragma handlers turn `#pragma unroll` into tokens.
  clang::Parser parser(preprocessor, sema, /*SkipFunctionBodies=*/false);

  TokenBuffer tokens(preprocessor);
  preprocessor.EnterMainSourceFile();
  tokens.lex();
  inspect(tokens);
  if (compiler.getDiagnostics().hasErrorOccurred()) return;
  rewrite(tokens);
  tokens.enter();

  if (clang::ExternalASTSource* external = compiler.getASTContext().getExternalSource()) {
    external->StartTranslationUnit(&consumer);
  }
  parser.Initialize();
  clang::EnterExpressionEvaluationContext context(sema, clang::Sema::ExpressionEvaluationContext::PotentiallyEvaluated);
  clang::Parser::DeclGroupPtrTy declarations;
  clang::Sema::ModuleImportState imports;
  for (bool at_end = parser.ParseFirstTopLevelDecl(declarations, imports); !at_end;
       at_end = parser.ParseTopLevelDecl(declarations, imports)) {
    if (declarations && !consumer.HandleTopLevelDecl(declarations.get())) return;
  }
  consumer.HandleTranslationUnit(compiler.getASTContext());
}

}  // namespace mslc
