#include "front/checks/checks.h"
#include "front/checks/visitor.h"
#include "front/reflection.h"

namespace mslc {

namespace {

class FunctionCheck : public CheckVisitor<FunctionCheck> {
 public:
  using CheckVisitor::CheckVisitor;

  bool VisitFunctionDecl(clang::FunctionDecl* function) {
    if (function->getReturnType().getAddressSpace() != clang::LangAS::Default) {
      report(function->getLocation(), "a function cannot return a value in an address space");
    }
    if (find_annotation(*function, "kernel")) {
      check_kernel(*function);
    } else if (function->getDeclContext()->isTranslationUnit() && function->getNameAsString() == "main") {
      report(function->getLocation(), "a function cannot be named 'main'");
    }
    return true;
  }

  bool VisitCallExpr(clang::CallExpr* call) {
    const clang::FunctionDecl* callee = call->getDirectCallee();
    if (callee && find_annotation(*callee, "kernel")) {
      report(call->getExprLoc(), "kernel '%0' cannot be called", callee->getNameAsString());
    }
    return true;
  }

 private:
  void check_kernel(const clang::FunctionDecl& kernel) {
    if (llvm::isa<clang::CXXMethodDecl>(kernel)) report(kernel.getLocation(), "a kernel cannot be a member of a class");
    if (kernel.isVariadic()) report(kernel.getLocation(), "a kernel cannot have variadic arguments");
    check_thread_limit(kernel);
    for (const auto* annotation : kernel.specific_attrs<clang::AnnotateAttr>()) {
      if (annotation->getAnnotation() == "msl:host_name") check_host_name(kernel, *annotation);
    }
  }

  void check_thread_limit(const clang::FunctionDecl& kernel) {
    const auto* limit = find_annotation(kernel, "max_total_threads_per_threadgroup");
    if (!limit || kernel.isDependentContext()) return;
    const auto threads = integer_argument(*limit, context_);
    if (!threads || *threads == 0 || *threads > UINT32_MAX) {
      report(kernel.getLocation(), "'max_total_threads_per_threadgroup' needs a positive number");
    }
  }

  void check_host_name(const clang::FunctionDecl& kernel, const clang::AnnotateAttr& annotation) {
    const std::optional<std::string> name = string_argument(annotation);
    if (!name || name->empty()) {
      report(kernel.getPointOfInstantiation().isValid() ? kernel.getPointOfInstantiation() : kernel.getLocation(),
             "'host_name' needs a name in quotes");
    }
  }
};

}  // namespace

void check_functions(clang::ASTContext& context, Declarations declarations) {
  FunctionCheck(context).run(declarations);
}

}  // namespace mslc
