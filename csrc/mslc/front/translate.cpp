#include "front/translate.h"

#include <clang/CodeGen/ModuleBuilder.h>
#include <clang/Frontend/FrontendAction.h>
#include <clang/Frontend/MultiplexConsumer.h>
#include <clang/Lex/PreprocessorOptions.h>
#include <clang/Sema/Sema.h>

#include "front/checks/checks.h"
#include "front/compiler.h"
#include "front/diagnostics.h"
#include "front/finish_module.h"
#include "front/limits.h"
#include "front/precompiled_header.h"
#include "front/recursion.h"
#include "front/reflection.h"
#include "front/rewrites/rewrites.h"

namespace mslc {

namespace {

// Checks and reflects on what the user's file declared, after parsing and before code generation ends.
class InspectConsumer : public clang::ASTConsumer {
 public:
  InspectConsumer(clang::CompilerInstance& compiler, clang::CodeGenerator& code, const WrittenSpaces& written,
                  Reflection& reflection)
      : compiler_(compiler), code_(code), written_(written), reflection_(reflection) {}

  bool HandleTopLevelDecl(clang::DeclGroupRef group) override {
    for (clang::Decl* declaration : group) {
      if (auto* function = llvm::dyn_cast<clang::FunctionDecl>(declaration)) pass_arguments_as_they_are(*function);
      if (!declaration->isFromASTFile() && !is_instantiation(*declaration)) declarations_.push_back(declaration);
    }
    return true;
  }

  // `[[id(0)]]` of a member says nothing here, and clang would mark each access of an annotated member.
  void HandleTagDeclDefinition(clang::TagDecl* tag) override {
    const auto* record = llvm::dyn_cast<clang::RecordDecl>(tag);
    if (!record) return;
    for (clang::FieldDecl* field : record->fields()) field->dropAttrs<clang::AnnotateAttr>();
  }

  void HandleTranslationUnit(clang::ASTContext& context) override {
    if (compiler_.getDiagnostics().hasErrorOccurred()) return;
    reflection_ = reflect(compiler_.getSema(), declarations_, code_);
    check(context, declarations_, written_);
  }

 private:
  // The kernel calling convention keeps code generation from coercing a uint2 to a double, as the platform's would.
  static void pass_arguments_as_they_are(clang::FunctionDecl& function) {
    if (!find_annotation(function, "kernel")) return;
    const auto* type = function.getType()->castAs<clang::FunctionProtoType>();
    clang::FunctionProtoType::ExtProtoInfo info = type->getExtProtoInfo();
    info.ExtInfo = info.ExtInfo.withCallingConv(clang::CC_OpenCLKernel);
    function.setType(function.getASTContext().getFunctionType(type->getReturnType(), type->getParamTypes(), info));
  }

  // Instances are reached through their templates.
  static bool is_instantiation(const clang::Decl& declaration) {
    const auto* function = llvm::dyn_cast<clang::FunctionDecl>(&declaration);
    const auto* variable = llvm::dyn_cast<clang::VarDecl>(&declaration);
    return (function && function->isTemplateInstantiation()) ||
           (variable && clang::isTemplateInstantiation(variable->getTemplateSpecializationKind()));
  }

  clang::CompilerInstance& compiler_;
  clang::CodeGenerator& code_;
  const WrittenSpaces& written_;
  Reflection& reflection_;
  std::vector<clang::Decl*> declarations_;
};

class TranslateAction : public clang::ASTFrontendAction {
 public:
  TranslateAction(llvm::LLVMContext& context, Reflection& reflection, Recursion recursion)
      : context_(context), reflection_(reflection), recursion_(recursion) {}

  std::unique_ptr<llvm::Module> take_module() { return std::move(module_); }

 protected:
  std::unique_ptr<clang::ASTConsumer> CreateASTConsumer(clang::CompilerInstance& compiler, llvm::StringRef file) override {
    auto* code = clang::CreateLLVMCodeGen(compiler.getDiagnostics(), file, &compiler.getVirtualFileSystem(),
                                          compiler.getHeaderSearchOpts(), compiler.getPreprocessorOpts(),
                                          compiler.getCodeGenOpts(), context_);
    code_ = code;
    std::vector<std::unique_ptr<clang::ASTConsumer>> consumers;
    consumers.push_back(std::make_unique<InspectConsumer>(compiler, *code, written_, reflection_));
    consumers.emplace_back(code);
    return std::make_unique<clang::MultiplexConsumer>(std::move(consumers));
  }

  void ExecuteAction() override {
    getCompilerInstance().createSema(getTranslationUnitKind(), nullptr);
    parse_rewritten(getCompilerInstance(), [this](const TokenBuffer& tokens) {
      reject_excesses(tokens);
      reject_forbidden_words(tokens);
      written_.record(tokens);
    });
    if (getCompilerInstance().getDiagnostics().hasErrorOccurred()) return;
    module_.reset(code_->ReleaseModule());
    if (recursion_ == Recursion::Unrolled && !unroll_recursion(*module_))
      report_recursion(getCompilerInstance().getASTContext(), reflection_);
  }

 private:
  llvm::LLVMContext& context_;
  Reflection& reflection_;
  const Recursion recursion_;
  WrittenSpaces written_;
  clang::CodeGenerator* code_ = nullptr;  // owned by the compiler's consumer
  std::unique_ptr<llvm::Module> module_;
};

}  // namespace

Translation translate(std::string_view source, const CompileOptions& options, Recursion recursion) {
  const llvm::MemoryBuffer& header = precompiled_header(options);
  const auto buffer = llvm::MemoryBuffer::getMemBufferCopy({source.data(), source.size()}, options.file_name);

  Translation result;
  result.context = std::make_unique<llvm::LLVMContext>();
  Diagnostics diagnostics;
  Reflection reflection;
  const auto disk = llvm::makeIntrusiveRefCnt<RecordingFileSystem>();
  const auto compiler = make_compiler(options, standard_files(disk, &header), diagnostics.consumer());
  compiler->getPreprocessorOpts().ImplicitPCHInclude = kPrecompiledHeaderPath;
  compiler->getFrontendOpts().Inputs = {clang::FrontendInputFile(buffer->getMemBufferRef(), clang::Language::CXX)};
  TranslateAction action(*result.context, reflection, recursion);
  const bool ok = compiler->ExecuteAction(action);
  result.module = action.take_module();
  if (!ok || !result.module) throw CompileError(diagnostics.text());

  finish_module(*result.module, reflection);
  for (ReflectedKernel& kernel : reflection.kernels) {
    result.kernels.push_back(std::move(kernel.info));
    result.kernel_functions.push_back(std::move(kernel.function_name));
  }
  for (ReflectedConstant& constant : reflection.constants) result.constants.push_back(std::move(constant.info));
  result.dependencies = disk->dependencies();
  return result;
}

}  // namespace mslc
