// Words that all of the vectoriser shares: lanes, vectors of lanes, and the built-in functions of the IR contract.
#pragma once

#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstrTypes.h>

#include <string>

#include "mslc/mslc.h"

namespace mslc {

inline constexpr unsigned kLanes = kSimdWidth;

/// One `scalar` a lane.
inline llvm::FixedVectorType* lane_vector(llvm::Type* scalar) { return llvm::FixedVectorType::get(scalar, kLanes); }

/// Name of the `__msl_` function that `value` calls; empty if it calls none.
llvm::StringRef builtin_name(const llvm::Value* value);

/// What a built-in's trailing type stands for: "f32" of "__msl_simd_sum_f32".
struct ElementKind {
  bool is_float = false;
  bool is_signed = false;
};
ElementKind element_kind(llvm::StringRef builtin);

/// `instruction` as text, for error messages.
std::string describe(const llvm::Value& value);

/// Half of a lane vector, the lower (part 0) or the upper (1): of 32-bit elements, a register of 512 bits.
llvm::Value* part_of(llvm::IRBuilder<>& b, llvm::Value* vector, unsigned part);

/// Adds an attribute-free function that other code of the module may call but not inline.
llvm::Function* add_helper(llvm::Module& module, llvm::FunctionType* type, const llvm::Twine& name);

}  // namespace mslc
