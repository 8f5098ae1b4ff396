// half and bfloat arithmetic is done in float and rounded after each operation, as CPUs have no other way.
#pragma once

#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>

namespace mslc {

/// Rewrites the arithmetic of a scalar function. Loads, stores, phis and selects keep the small types.
/// Conversions of bfloat are bit operations; those of half are left to the target.
void widen_small_floats(llvm::Function& function);
/// Loads, stores, phis and selects of bfloats become those of 16 bits: where a CPU has no bfloat, LLVM would hold them as
/// floats and call a function for each to make it a bfloat again.
void hold_bfloats_as_bits(llvm::Function& function);

/// `value`, a scalar or vector of half or bfloat, as float. Exact.
llvm::Value* to_float(llvm::IRBuilder<>& b, llvm::Value* value);
/// `value`, a scalar or vector of float, rounded to nearest even as `type` (half or bfloat, or a vector of it).
llvm::Value* from_float(llvm::IRBuilder<>& b, llvm::Value* value, llvm::Type* type);

}  // namespace mslc
