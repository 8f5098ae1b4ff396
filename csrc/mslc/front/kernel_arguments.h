// The argument tables of a kernel, from its parameters and their attributes.
#pragma once

#include <clang/AST/Decl.h>
#include <clang/Sema/Sema.h>

#include <vector>

#include "mslc/mslc.h"

namespace mslc {

/// Describes each parameter. Buffers and threadgroup pointers without an index get the lowest free ones.
/// Reports parameters and return types that a kernel may not have.
std::vector<Argument> kernel_arguments(const clang::FunctionDecl& kernel, clang::Sema& sema);

}  // namespace mslc
