// The CPU that code is generated for.
#pragma once

#include <llvm/Target/TargetMachine.h>

#include <memory>

#include "mslc/mslc.h"
#include "vectorise/vectorise.h"

namespace mslc {

/// Throws CompileError if LLVM does not know the CPU.
std::unique_ptr<llvm::TargetMachine> create_target_machine(const CompileOptions& options);

TargetFeatures features_of(const llvm::TargetMachine& machine);

}  // namespace mslc
