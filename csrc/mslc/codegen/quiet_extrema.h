// What Metal's fmin and fmax need on AArch64.
#pragma once

#include <llvm/IR/Module.h>

namespace mslc {

/// The least or greatest of a number and a NaN is the number. AArch64's instructions for it return a signalling NaN made
/// quiet instead, so operands that may signal are made quiet before.
void quieten_extrema(llvm::Module& module);

}  // namespace mslc
