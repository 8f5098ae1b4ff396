// What MSL forbids and this dialect of C++ lets pass, found on the AST after parsing. One file a concern.
#pragma once

#include <clang/AST/ASTContext.h>

#include "front/checks/written_spaces.h"

namespace mslc {

using Declarations = llvm::ArrayRef<clang::Decl*>;

/// Pointers, references and conversions that leave their address space; methods on objects they are not for.
void check_address_spaces(clang::ASTContext& context, Declarations declarations, const WrittenSpaces& written);
/// Where variables may live and how they may start.
void check_variables(clang::ASTContext& context, Declarations declarations);
/// Kernels and functions: their names, kinds and calls.
void check_functions(clang::ASTContext& context, Declarations declarations);
/// Types and operands that Metal lacks.
void check_types(clang::ASTContext& context, Declarations declarations);
/// Formats of os_log and their arguments.
void check_log_formats(clang::ASTContext& context, Declarations declarations);

/// All of them, on what the user declared.
inline void check(clang::ASTContext& context, Declarations declarations, const WrittenSpaces& written) {
  check_address_spaces(context, declarations, written);
  check_variables(context, declarations);
  check_functions(context, declarations);
  check_types(context, declarations);
  check_log_formats(context, declarations);
}

}  // namespace mslc
