// The formats of os_log are literals, and the arguments are what they say.
#include <stdexcept>

#include "executor/log_format.h"
#include "front/checks/checks.h"
#include "front/checks/visitor.h"
#include "front/reflection.h"

namespace mslc {

namespace {

bool logs(const clang::CXXMethodDecl& method) {
  return is_library(method) && method.getDeclName().isIdentifier() && method.getParent()->getName() == "os_log" &&
         method.getName().starts_with("log");
}

class LogFormatCheck : public CheckVisitor<LogFormatCheck> {
 public:
  using CheckVisitor::CheckVisitor;

  bool VisitCXXMemberCallExpr(clang::CXXMemberCallExpr* call) {
    if (call->getMethodDecl() && logs(*call->getMethodDecl())) check_call(*call);
    return true;
  }

 private:
  void check_call(const clang::CXXMemberCallExpr& call) {
    const clang::Expr& format = *call.getArg(0);
    const auto* literal = llvm::dyn_cast<clang::StringLiteral>(format.IgnoreParenCasts());
    if (!literal) return report(format.getExprLoc(), "the format of a message must be a string literal");
    try {
      check_arguments(call, parse_log_format(literal->getString()));
    } catch (const std::invalid_argument& error) {
      report(format.getExprLoc(), "format %0", std::string(error.what()));
    }
  }

  void check_arguments(const clang::CXXMemberCallExpr& call, std::vector<LogSpecifier> specifiers) {
    std::erase_if(specifiers, [](const LogSpecifier& s) { return s.conversion == '%'; });
    if (specifiers.size() != call.getNumArgs() - 1) {
      return report(call.getExprLoc(), "the format asks for %0 arguments, not %1", std::to_string(specifiers.size()),
                    std::to_string(call.getNumArgs() - 1));
    }
    for (size_t i = 0; i < specifiers.size(); ++i) {
      const clang::Expr& argument = *call.getArg(i + 1);
      const clang::QualType type = argument.getType().getNonReferenceType().getUnqualifiedType();
      if (!fits(specifiers[i], type)) {
        report(argument.getExprLoc(), "'%0' is not for an argument of type '%1'", text_of(specifiers[i]),
               type.getAsString());
      }
    }
  }

  static std::string text_of(const LogSpecifier& s) {
    return "%" + s.layout + (s.elements > 1 ? "v" + std::to_string(s.elements) : "") + s.length + s.conversion;
  }

  // What a scalar is promoted to is printed as that; a vector's elements are not promoted.
  bool fits(const LogSpecifier& specifier, clang::QualType type) const {
    const auto* vector = type->getAs<clang::ExtVectorType>();
    if ((vector ? vector->getNumElements() : 1) != specifier.elements) return false;
    if (vector) type = vector->getElementType();
    if (specifier.conversion == 'p') return type->isPointerType();
    const unsigned bytes = type->isIncompleteType() ? 0 : context_.getTypeSizeInChars(type).getQuantity();
    const unsigned wanted = specifier.bytes();
    if (specifier.is_float()) return type->isRealFloatingType() && (!vector || wanted == 0 || wanted == bytes);
    if (!type->isIntegralOrEnumerationType()) return false;
    if (vector) return bytes == (wanted ? wanted : 4);
    return wanted == 8 ? bytes == 8 : bytes <= 4;
  }
};

}  // namespace

void check_log_formats(clang::ASTContext& context, Declarations declarations) {
  LogFormatCheck(context).run(declarations);
}

}  // namespace mslc
