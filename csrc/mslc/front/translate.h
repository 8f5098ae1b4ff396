// MSL to LLVM IR: clang in process, with what MSL adds to C++ rewritten and what it forbids rejected.
#pragma once

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "front/dependencies.h"
#include "mslc/mslc.h"

namespace mslc {

/// A translated source. Members are in this order because the module must die before its context.
struct Translation {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::vector<KernelInfo> kernels;
  std::vector<std::string> kernel_functions;  ///< names of the kernels' IR functions, in the same order
  std::vector<FunctionConstant> constants;
  std::vector<Dependency> dependencies;  ///< files looked for on disk
};

/// What becomes of recursive calls that obviously end.
enum class Recursion {
  Unrolled,  ///< inlined, and the standard library with them; any other recursion is an error
  Kept,      ///< functions stay as they were written
};

/// Translates `source`. Throws CompileError. Any number of threads may translate at once.
Translation translate(std::string_view source, const CompileOptions& options, Recursion recursion = Recursion::Unrolled);

}  // namespace mslc
