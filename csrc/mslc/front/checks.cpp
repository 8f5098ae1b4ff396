#include "front/checks.h"

#include <clang/AST/RecursiveASTVisitor.h>

#include "front/diagnostics.h"
#include "front/reflection.h"

namespace mslc {

namespace {

// Statements and variables that are wrong wherever they stand.
class DeclarationCheck : public clang::RecursiveASTVisitor<DeclarationCheck> {
 public:
  explicit DeclarationCheck(clang::ASTContext& context) : context_(context) {}

  bool shouldVisitTemplateInstantiations() const { return true; }
  bool shouldVisitImplicitCode() const { return false; }

  bool VisitVarDecl(clang::VarDecl* variable) {
    if (variable->getType()->isDependentType()) return true;
    if (find_annotation(*variable, "threadgroup")) {
      check_threadgroup_variable(*variable);
    } else if (variable->hasGlobalStorage() && variable->getType().getAddressSpace() == kThreadgroup) {
      report(variable->getLocation(), "variable in the threadgroup address space must be declared in a kernel");
    } else if (variable->isFileVarDecl() && !variable->getType().isConstQualified() && !variable->isStaticDataMember()) {
      report(variable->getLocation(), "variable at program scope must be in the constant address space");
    }
    return true;
  }

  // Named address spaces convert to the unnamed one in this dialect; MSL's `thread` takes none of them.
  bool VisitImplicitCastExpr(clang::ImplicitCastExpr* cast) {
    if (cast->getCastKind() != clang::CK_AddressSpaceConversion || cast->isTypeDependent()) return true;
    if (object_arguments_.count(cast)) return true;
    const clang::QualType to = cast->getType(), from = cast->getSubExpr()->getType();
    if (cast->isGLValue()) {
      // A reference to const may bind to a copy.
      if (!to.isConstQualified()) report_conversion(*cast, from, to);
    } else {
      report_conversion(*cast, from, to);
    }
    return true;
  }

  bool VisitCXXMemberCallExpr(clang::CXXMemberCallExpr* call) {
    allow_object(call->getImplicitObjectArgument());
    return true;
  }

  bool VisitCXXOperatorCallExpr(clang::CXXOperatorCallExpr* call) {
    if (llvm::isa_and_nonnull<clang::CXXMethodDecl>(call->getDirectCallee())) allow_object(call->getArg(0));
    return true;
  }

 private:
  void check_threadgroup_variable(const clang::VarDecl& variable) {
    const auto* function = llvm::dyn_cast<clang::FunctionDecl>(variable.getDeclContext());
    if (!function || !find_annotation(*function, "kernel")) {
      report(variable.getLocation(), "variable in the threadgroup address space must be declared in a kernel");
    }
    const auto* construction = llvm::dyn_cast_or_null<clang::CXXConstructExpr>(variable.getInit());
    if (variable.hasInit() && !(construction && construction->getConstructor()->isTrivial())) {
      report(variable.getLocation(), "variable in the threadgroup address space cannot have an initializer");
    }
  }

  // Methods take their object from any address space.
  void allow_object(const clang::Expr* object) {
    while (const auto* cast = llvm::dyn_cast_or_null<clang::ImplicitCastExpr>(object)) {
      object_arguments_.insert(cast);
      object = cast->getSubExpr();
    }
  }

  void report_conversion(const clang::ImplicitCastExpr& cast, clang::QualType from, clang::QualType to) {
    if (!cast.isGLValue() && !to->isPointerType()) return;
    const std::string target = type_name(to, context_);
    report(cast.getBeginLoc(), "cannot convert '%0' to 'thread %1': the address spaces differ", type_name(from, context_),
           target);
  }

  template <typename... Values>
  void report(clang::SourceLocation location, llvm::StringRef format, const Values&... values) {
    report_error(context_.getDiagnostics(), location, format, values...);
  }

  clang::ASTContext& context_;
  llvm::DenseSet<const clang::Expr*> object_arguments_;
};

}  // namespace

void check(clang::ASTContext& context, llvm::ArrayRef<clang::Decl*> declarations) {
  DeclarationCheck declaration_check(context);
  for (clang::Decl* declaration : declarations) declaration_check.TraverseDecl(declaration);
}

}  // namespace mslc
