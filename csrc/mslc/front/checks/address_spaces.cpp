#include "front/checks/checks.h"
#include "front/checks/visitor.h"
#include "front/reflection.h"

namespace mslc {

namespace {

// The type that `*` or `&` was written on, null if the declaration names a type that holds the pointer.
clang::QualType written_pointee(const clang::DeclaratorDecl& declaration) {
  const clang::TypeSourceInfo* source = declaration.getTypeSourceInfo();
  if (!source) return {};
  clang::TypeLoc type = source->getTypeLoc().getUnqualifiedLoc().IgnoreParens();
  if (auto array = type.getAs<clang::ArrayTypeLoc>()) type = array.getElementLoc().getUnqualifiedLoc();
  if (auto pointer = type.getAs<clang::PointerTypeLoc>()) return pointer.getPointeeLoc().getType();
  if (auto reference = type.getAs<clang::ReferenceTypeLoc>()) return reference.getPointeeLoc().getType();
  return {};
}

// Whether a type may bring an address space with it: `T*` where T is deduced.
bool may_name_space(clang::QualType type) {
  return type->isDependentType() || type->getAs<clang::SubstTemplateTypeParmType>() || type->getContainedDeducedType();
}

class AddressSpaceCheck : public CheckVisitor<AddressSpaceCheck> {
 public:
  AddressSpaceCheck(clang::ASTContext& context, const WrittenSpaces& written)
      : CheckVisitor(context), written_(written) {}

  bool VisitDeclaratorDecl(clang::DeclaratorDecl* declaration) {
    const clang::QualType pointee = written_pointee(*declaration);
    if (pointee.isNull() || pointee->isFunctionType() || may_name_space(pointee)) return true;
    if (pointee.getAddressSpace() != clang::LangAS::Default || !written_.is_bare(declaration->getLocation()))
      return true;
    const bool reference = declaration->getType()->isReferenceType();
    report(declaration->getLocation(), "a %0 must name its address space: device, constant, threadgroup or thread",
           reference ? "reference" : "pointer");
    return true;
  }

  // Named address spaces convert to the unnamed one in this dialect; MSL's `thread` takes none of them.
  bool VisitImplicitCastExpr(clang::ImplicitCastExpr* cast) {
    if (!changes_space(*cast) || object_arguments_.count(cast)) return true;
    const clang::QualType to = cast->getType(), from = cast->getSubExpr()->getType();
    // A reference to const may bind to a copy.
    if (!cast->isGLValue() || !to.isConstQualified()) report_conversion(*cast, from, to);
    return true;
  }

  bool VisitExplicitCastExpr(clang::ExplicitCastExpr* cast) {
    // A string is in the constant address space: the rewrites say so by a cast.
    const clang::Expr* source = cast->getSubExpr()->IgnoreParenImpCasts();
    if (llvm::isa<clang::StringLiteral, clang::PredefinedExpr>(source)) return true;
    if (changes_space(*cast)) report_conversion(*cast, cast->getSubExpr()->getType(), cast->getType());
    return true;
  }

  bool VisitCXXMemberCallExpr(clang::CXXMemberCallExpr* call) {
    check_object(call->getImplicitObjectArgument(), call->getMethodDecl(), call->getExprLoc());
    return true;
  }

  bool VisitCXXOperatorCallExpr(clang::CXXOperatorCallExpr* call) {
    const auto* method = llvm::dyn_cast_or_null<clang::CXXMethodDecl>(call->getDirectCallee());
    if (method && !method->isStatic()) check_object(call->getArg(0), method, call->getExprLoc());
    return true;
  }

 private:
  static bool changes_space(const clang::CastExpr& cast) {
    return cast.getCastKind() == clang::CK_AddressSpaceConversion && !cast.isTypeDependent();
  }

  // In clang's eyes methods take their object from any address space; MSL's take it from the constant one only if
  // they say so.
  void check_object(const clang::Expr* object, const clang::CXXMethodDecl* method, clang::SourceLocation location) {
    while (const auto* cast = llvm::dyn_cast_or_null<clang::ImplicitCastExpr>(object)) {
      object_arguments_.insert(cast);
      object = cast->getSubExpr();
    }
    if (!object || !method || method->isImplicit() || is_library(*method)) return;
    const clang::QualType type =
        object->getType()->isPointerType() ? object->getType()->getPointeeType() : object->getType();
    if (type.getAddressSpace() != kConstant || find_annotation(*method, "constant_object")) return;
    report(location, "'%0' is called on an object in the constant address space but not declared 'const constant'",
           method->getNameAsString());
  }

  void report_conversion(const clang::CastExpr& cast, clang::QualType from, clang::QualType to) {
    if (!cast.isGLValue() && !to->isPointerType()) return;
    const bool to_thread = (cast.isGLValue() ? to : to->getPointeeType()).getAddressSpace() == clang::LangAS::Default;
    report(cast.getBeginLoc(), "cannot convert '%0' to '%1': the address spaces differ", in_space(from, !to_thread),
           in_space(to, to_thread));
  }

  std::string in_space(clang::QualType type, bool is_thread) const {
    return (is_thread ? "thread " : "") + type_name(type, context_);
  }

  const WrittenSpaces& written_;
  llvm::DenseSet<const clang::Expr*> object_arguments_;
};

}  // namespace

void check_address_spaces(clang::ASTContext& context, Declarations declarations, const WrittenSpaces& written) {
  AddressSpaceCheck(context, written).run(declarations);
}

}  // namespace mslc
