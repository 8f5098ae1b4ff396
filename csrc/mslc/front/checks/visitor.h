// What the checks share: a walk over declarations, instances of templates included, that reports each error once.
#pragma once

#include <clang/AST/RecursiveASTVisitor.h>
#include <llvm/ADT/StringSet.h>

#include "front/diagnostics.h"

namespace mslc {

/// Whether the standard library declares `function`, or the template that it is an instance of.
inline bool is_library(const clang::FunctionDecl& function) {
  const clang::FunctionDecl* pattern = function.getTemplateInstantiationPattern();
  return (pattern ? pattern : &function)->isFromASTFile();
}

template <class Derived>
class CheckVisitor : public clang::RecursiveASTVisitor<Derived> {
 public:
  explicit CheckVisitor(clang::ASTContext& context) : context_(context) {}

  bool shouldVisitTemplateInstantiations() const { return true; }
  bool shouldVisitImplicitCode() const { return false; }

  void run(llvm::ArrayRef<clang::Decl*> declarations) {
    for (clang::Decl* declaration : declarations) this->TraverseDecl(declaration);
  }

 protected:
  template <typename... Values>
  void report(clang::SourceLocation location, llvm::StringRef format, const Values&... values) {
    // A template's instances are as wrong as the template.
    const std::string key = std::to_string(location.getRawEncoding()) + format.str();
    if (reported_.insert(key).second) report_error(context_.getDiagnostics(), location, format, values...);
  }

  clang::ASTContext& context_;

 private:
  llvm::StringSet<> reported_;
};

}  // namespace mslc
