// LLVM IR of a kernel to machine code that runs it a SIMD-group at a time.
#pragma once

#include <llvm/IR/Module.h>

#include <string>

#include "executor/compiled_kernel.h"
#include "mslc/mslc.h"

namespace mslc {

/// Compiles the kernel whose per-thread code is `ir_function` of `module`, with function constants as given.
/// The module stays as it is, but its LLVMContext is used: callers keep other threads out of it meanwhile.
/// Throws CompileError naming the kernel if code cannot be made.
CompiledKernel generate(const llvm::Module& module, const std::string& ir_function, const KernelInfo& info,
                        const ConstantValues& constants, const CompileOptions& options);

/// The same kernel's code in one form: text, or the bytes of an object.
std::string generate_text(const llvm::Module& module, const std::string& ir_function, const KernelInfo& info,
                          const ConstantValues& constants, const CompileOptions& options, CodeForm form);

/// LLVM's name of the CPU that code is generated for, and its features in order: what a cache key needs to know.
std::string target_description(const CompileOptions& options);

}  // namespace mslc
