// What MSL forbids and this dialect of C++ lets pass.
#pragma once

#include <clang/AST/ASTContext.h>

namespace mslc {

/// Reports in the user's declarations: threadgroup variables out of kernels or with initialisers, variables at program
/// scope that are not constant, pointers and references that lose their address space.
void check(clang::ASTContext& context, llvm::ArrayRef<clang::Decl*> declarations);

}  // namespace mslc
