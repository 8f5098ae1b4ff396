// Recursion, which MSL forbids and its own users write where it obviously ends.
#pragma once

#include <clang/AST/ASTContext.h>
#include <llvm/IR/Module.h>

#include "front/reflection.h"

namespace mslc {

/// Inlines recursive calls that the callers' own conditions rule out: f(x) calls g(x) if x < 12, g(x) calls f(x)
/// if x >= 12. Returns whether no recursion is left.
bool unroll_recursion(llvm::Module& module);

/// Reports the recursive calls that the kernels reach.
void report_recursion(clang::ASTContext& context, const Reflection& reflection);

}  // namespace mslc
