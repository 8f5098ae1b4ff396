// What the host must know of a source: kernels, their arguments, function constants. Read off the AST.
#pragma once

#include <clang/AST/ASTContext.h>
#include <clang/AST/Attr.h>
#include <clang/CodeGen/ModuleBuilder.h>
#include <clang/Sema/Sema.h>

#include <optional>
#include <string>
#include <vector>

#include "mslc/mslc.h"

namespace mslc {

/// MSL's address spaces as clang has them in this dialect.
inline constexpr clang::LangAS kDevice = clang::LangAS::sycl_global;
inline constexpr clang::LangAS kThreadgroup = clang::LangAS::sycl_local;
inline constexpr clang::LangAS kConstant = clang::LangAS::sycl_private;

struct ReflectedKernel {
  KernelInfo info;
  std::string function_name;  ///< in the LLVM module
  clang::FunctionDecl* declaration = nullptr;
};

struct ReflectedConstant {
  FunctionConstant info;
  std::string value_name;    ///< of the global with its value
  std::string defined_name;  ///< of the global that says whether it has one
};

struct Reflection {
  std::vector<ReflectedKernel> kernels;
  std::vector<ReflectedConstant> constants;
};

/// Collects kernels and function constants from `declarations`. Reports kernels with wrong signatures.
Reflection reflect(clang::Sema& sema, llvm::ArrayRef<clang::Decl*> declarations, clang::CodeGenerator& code);

/// The annotation that the rewrites made of `[[name(...)]]`, null if there is none.
const clang::AnnotateAttr* find_annotation(const clang::Decl& declaration, llvm::StringRef name);
/// The integer argument of an annotation.
std::optional<uint64_t> integer_argument(const clang::AnnotateAttr& annotation, const clang::ASTContext& context);
/// The string argument of an annotation.
std::optional<std::string> string_argument(const clang::AnnotateAttr& annotation);
/// `type` as MSL writes it: "device const float*".
std::string type_name(clang::QualType type, const clang::ASTContext& context);

}  // namespace mslc
