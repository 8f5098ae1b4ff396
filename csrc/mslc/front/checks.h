// What MSL forbids and this dialect of C++ lets pass.
#pragma once

#include <clang/AST/ASTContext.h>

#include "front/reflection.h"

namespace mslc {

/// Reports in the user's declarations: recursion, threadgroup variables out of kernels or with initialisers,
/// pointers that lose their address space.
void check(clang::ASTContext& context, llvm::ArrayRef<clang::Decl*> declarations, const Reflection& reflection);

}  // namespace mslc
