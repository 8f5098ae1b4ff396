// A module of its own for each kernel, with function constants set and threadgroup variables laid out.
#pragma once

#include <llvm/IR/Module.h>

#include <memory>
#include <string>

#include "mslc/mslc.h"

namespace mslc {

/// Address of the threadgroup's block of memory, in IR until the entry points give it.
inline constexpr char kThreadgroupMemory[] = "__mslc_threadgroup_memory";

/// Copies `ir_function` and what it needs into a module of the same context. Function constants are constants there.
/// All functions but the kernel are to be inlined.
std::unique_ptr<llvm::Module> extract_kernel(const llvm::Module& source, const std::string& ir_function,
                                             const ConstantValues& constants);

/// Replaces threadgroup variables by addresses in the threadgroup's block. Returns its size in bytes.
/// `kernel` is the only function that uses them.
uint64_t place_threadgroup_variables(llvm::Function& kernel);

}  // namespace mslc
