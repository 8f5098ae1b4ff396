// Clang's module made to follow the contract with the code generator.
#pragma once

#include <llvm/IR/Module.h>

#include "front/reflection.h"

namespace mslc {

/// Annotates the globals of function constants, makes threadgroup variables internal, drops target attributes.
void finish_module(llvm::Module& module, const Reflection& reflection);

}  // namespace mslc
