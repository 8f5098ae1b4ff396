#include "front/checks/checks.h"
#include "front/checks/visitor.h"
#include "front/reflection.h"

namespace mslc {

namespace {

// In this dialect the truth of a comparison of vectors is an integer, 0 or -1, where MSL has a bool.
bool is_truth(const clang::Expr* expression) {
  expression = expression->IgnoreParenImpCasts();
  if (!expression->getType()->isExtVectorType()) return false;
  if (const auto* unary = llvm::dyn_cast<clang::UnaryOperator>(expression)) return unary->getOpcode() == clang::UO_LNot;
  const auto* binary = llvm::dyn_cast<clang::BinaryOperator>(expression);
  if (!binary) return false;
  return binary->isComparisonOp() || binary->isLogicalOp() ||
         (binary->isBitwiseOp() && is_truth(binary->getLHS()) && is_truth(binary->getRHS()));
}

bool is_named(const clang::FunctionDecl& function, llvm::StringRef name) {
  return function.getDeclName().isIdentifier() && function.getName() == name;
}

bool is_truth_of(const clang::FunctionDecl& function) {
  return is_library(function) && is_named(function, "__truth_of");
}

// A truth, or one made of truths that have become vectors of bool.
bool may_be_truth(const clang::Expr* expression) {
  expression = expression->IgnoreParenImpCasts();
  if (is_truth(expression)) return true;
  if (const auto* call = llvm::dyn_cast<clang::CallExpr>(expression))
    return call->getDirectCallee() && is_truth_of(*call->getDirectCallee());
  const auto* binary = llvm::dyn_cast<clang::BinaryOperator>(expression);
  return binary && binary->isBitwiseOp() && may_be_truth(binary->getLHS()) && may_be_truth(binary->getRHS());
}

// The library's functions that take either.
bool takes_truth(const clang::FunctionDecl& function) {
  if (!is_library(function) || !function.getDeclName().isIdentifier()) return false;
  if (llvm::is_contained({"any", "all", "select", "__truth_of"}, function.getName())) return true;
  const auto* vector = function.getReturnType()->getAs<clang::ExtVectorType>();
  return function.getName() == "__construct" && vector &&
         vector->getElementType()->isSpecificBuiltinType(clang::BuiltinType::SChar);
}

class TypeCheck : public CheckVisitor<TypeCheck> {
 public:
  using CheckVisitor::CheckVisitor;

  bool VisitDeclaratorDecl(clang::DeclaratorDecl* declaration) {
    check_vector(declaration->getType(), declaration->getLocation());
    return true;
  }

  bool VisitCallExpr(clang::CallExpr* call) {
    const clang::FunctionDecl* callee = call->getDirectCallee();
    if (callee && takes_truth(*callee)) {
      for (const clang::Expr* argument : call->arguments()) accept_truth(argument);
    }
    if (callee && is_truth_of(*callee)) check_guess(*call->getArg(0));
    return true;
  }

  bool VisitBinaryOperator(clang::BinaryOperator* binary) {
    if (is_bool_arithmetic(*binary)) {
      report(binary->getOperatorLoc(), "arithmetic is not for vectors of bool; convert them first");
    } else if (is_truth(binary)) {
      accept_truth(binary->getLHS());
      accept_truth(binary->getRHS());
      check_truth(*binary, binary->getOperatorLoc());
    }
    return true;
  }

  bool VisitUnaryOperator(clang::UnaryOperator* unary) {
    if (unary->getOpcode() == clang::UO_Not && is_bool_vector(unary->getType())) {
      report(unary->getOperatorLoc(), "'~' is not for vectors of bool; use '!'");
    }
    if (is_truth(unary)) {
      accept_truth(unary->getSubExpr());
      check_truth(*unary, unary->getOperatorLoc());
    }
    return true;
  }

  // The dialect chooses element by element; MSL's condition is one bool, and select() chooses for vectors.
  bool VisitConditionalOperator(clang::ConditionalOperator* choice) {
    if (choice->getCond()->getType()->isVectorType()) {
      accept_truth(choice->getCond());
      report(choice->getCond()->getExprLoc(), "the condition of '?:' must be a scalar; use select() for vectors");
    }
    return true;
  }

 private:
  static bool is_bool_vector(clang::QualType type) {
    const auto* vector = type->getAs<clang::ExtVectorType>();
    return vector && vector->getElementType()->isSpecificBuiltinType(clang::BuiltinType::SChar);
  }

  // The result would be a vector of bool that holds more than 0 and 1.
  static bool is_bool_arithmetic(const clang::BinaryOperator& binary) {
    const auto code = binary.isCompoundAssignmentOp()
                          ? clang::BinaryOperator::getOpForCompoundAssignment(binary.getOpcode())
                          : binary.getOpcode();
    const bool arithmetic = clang::BinaryOperator::isMultiplicativeOp(code) ||
                            clang::BinaryOperator::isAdditiveOp(code) || clang::BinaryOperator::isShiftOp(code);
    return arithmetic && is_bool_vector(binary.getType());
  }

  void accept_truth(const clang::Expr* expression) { accepted_.insert(expression->IgnoreParenImpCasts()); }

  void check_truth(const clang::Expr& expression, clang::SourceLocation location) {
    if (accepted_.contains(&expression)) return;
    const unsigned length = expression.getType()->castAs<clang::ExtVectorType>()->getNumElements();
    report(location, "the bool%0 that a comparison yields must be named here: write bool%0(...)",
           std::to_string(length));
  }

  // The rewrite that chose __truth_of saw tokens only; a wrong guess must not become a wrong value.
  void check_guess(const clang::Expr& argument) {
    if (!argument.getType()->isExtVectorType() || may_be_truth(&argument)) return;
    report(argument.getExprLoc(), "cannot tell whether this is a comparison: put it in parentheses or in a variable");
  }

  void check_vector(clang::QualType type, clang::SourceLocation location) {
    const auto* vector = type.getNonReferenceType()->getAs<clang::ExtVectorType>();
    if (!vector) return;
    if (vector->getNumElements() < 2 || vector->getNumElements() > 4) {
      report(location, "a vector has 2, 3 or 4 elements, not %0", std::to_string(vector->getNumElements()));
    } else if (vector->getElementType()->isBooleanType()) {
      report(location, "a vector of bool must be written bool2, bool3, bool4 or vec<bool, N>");
    }
  }

  llvm::DenseSet<const clang::Expr*> accepted_;
};

}  // namespace

void check_types(clang::ASTContext& context, Declarations declarations) { TypeCheck(context).run(declarations); }

}  // namespace mslc
