// How wide the vector registers are that a kernel uses.
#pragma once

#include <llvm/IR/Function.h>
#include <llvm/Target/TargetMachine.h>

namespace mslc {

/// Has the code generator use the widest registers in a module, or half of them where that is faster: `body` is the
/// kernel's vectorised code.
void choose_register_width(llvm::Module& module, llvm::Function& body, const llvm::TargetMachine& machine);

}  // namespace mslc
