#include "front/checks/checks.h"
#include "front/checks/visitor.h"
#include "front/reflection.h"

namespace mslc {

namespace {

// Whether an expression's value may wait for the pipeline: it names a function constant, or one derived from it.
class LateValueFinder : public clang::RecursiveASTVisitor<LateValueFinder> {
 public:
  bool found = false;

  bool VisitDeclRefExpr(clang::DeclRefExpr* reference) {
    const auto* variable = llvm::dyn_cast<clang::VarDecl>(reference->getDecl());
    if (variable && variable->hasGlobalStorage()) {
      const bool late = find_annotation(*variable, "function_constant") ||
                        find_annotation(*variable, "function_constant_defined");
      if (late) found = true;
      if (!late && variable->hasInit() && visited_.insert(variable).second)
        TraverseStmt(const_cast<clang::Expr*>(variable->getInit()));
    }
    return !found;
  }

  // The library's functions are not constexpr throughout, where Metal's may be.
  bool VisitCallExpr(clang::CallExpr* call) {
    const clang::FunctionDecl* callee = call->getDirectCallee();
    if (callee && is_library(*callee) && !callee->isConstexpr()) found = true;
    return !found;
  }

 private:
  llvm::DenseSet<const clang::VarDecl*> visited_;
};

class VariableCheck : public CheckVisitor<VariableCheck> {
 public:
  using CheckVisitor::CheckVisitor;

  bool VisitVarDecl(clang::VarDecl* variable) {
    if (variable->getType()->isVariableArrayType()) {
      report(variable->getLocation(), "the length of an array must be a constant");
    }
    if (find_annotation(*variable, "threadgroup")) {
      check_threadgroup(*variable);
    } else if (find_annotation(*variable, "function_constant")) {
      check_function_constant(*variable);
    } else if (variable->hasGlobalStorage() && !find_annotation(*variable, "function_constant_defined")) {
      check_global(*variable);
    }
    return true;
  }

 private:
  void check_threadgroup(const clang::VarDecl& variable) {
    const auto* function = llvm::dyn_cast<clang::FunctionDecl>(variable.getDeclContext());
    if (!function || !find_annotation(*function, "kernel")) {
      report(variable.getLocation(), "variable in the threadgroup address space must be declared in a kernel");
    }
    const auto* construction = llvm::dyn_cast_or_null<clang::CXXConstructExpr>(variable.getInit());
    if (variable.hasInit() && !(construction && construction->getConstructor()->isTrivial())) {
      report(variable.getLocation(), "variable in the threadgroup address space cannot have an initializer");
    }
  }

  void check_function_constant(const clang::VarDecl& variable) {
    const clang::QualType type = variable.getType().getCanonicalType().getUnqualifiedType();
    if (!type->isDependentType() && !type->isArithmeticType() && !type->isVectorType()) {
      report(variable.getLocation(), "a function constant must be a scalar or a vector, not '%0'",
             type_name(type, context_));
    }
    const auto index = integer_argument(*find_annotation(variable, "function_constant"), context_);
    if (!index || *index > kMaxFunctionConstant) {
      report(variable.getLocation(), "'function_constant' needs an index from 0 to 65535");
    }
    if (!variable.isFileVarDecl() || variable.isStaticDataMember() || !variable.getType().isConstQualified()) {
      report(variable.getLocation(), "a function constant must be at program scope, in the constant address space");
    } else if (variable.hasInit()) {
      report(variable.getLocation(), "a function constant cannot have an initializer");
    }
  }

  void check_global(const clang::VarDecl& variable) {
    const clang::QualType type = variable.getType();
    if (type->isDependentType()) return;
    const clang::LangAS space = context_.getBaseElementType(type).getAddressSpace();
    if (space == kThreadgroup) {
      report(variable.getLocation(), "variable in the threadgroup address space must be declared in a kernel");
    } else if (space != kConstant && variable.isStaticLocal()) {
      report(variable.getLocation(), "variable in a function cannot be static");
    } else if (space != kConstant) {
      report(variable.getLocation(), "variable at program scope must be in the constant address space");
    } else {
      check_constant_initializer(variable);
    }
  }

  void check_constant_initializer(const clang::VarDecl& variable) {
    const clang::Expr* initializer = variable.getInit();
    if (!initializer || initializer->isValueDependent() || variable.hasConstantInitialization()) return;
    LateValueFinder late;
    late.TraverseStmt(const_cast<clang::Expr*>(initializer));
    if (!late.found) {
      report(initializer->getExprLoc(),
             "initializer of a variable in the constant address space must be a constant expression");
    }
  }

  static constexpr uint64_t kMaxFunctionConstant = 65535;
};

}  // namespace

void check_variables(clang::ASTContext& context, Declarations declarations) {
  VariableCheck(context).run(declarations);
}

}  // namespace mslc
