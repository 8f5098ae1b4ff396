// What no vector instruction does is done lane by lane, in a function of its own so that it stays small.
#pragma once

#include <llvm/ADT/STLFunctionalExtras.h>

#include "vectorise/lanes.h"

namespace mslc {

/// Emits one lane's work from its operands. Returns its result, or null.
using LaneWork = llvm::function_ref<llvm::Value*(llvm::IRBuilder<>&, llvm::ArrayRef<llvm::Value*>)>;

/// Calls a function that does `work` for each lane whose bit is set in `mask_bits`, lowest first. Operands that are
/// lane vectors are taken apart; others are passed as they are. `name` tells one kind of work from another: the module
/// holds one function for each name. Returns a lane vector of `result`, undefined in inactive lanes; null for void.
llvm::Value* call_for_each_lane(llvm::IRBuilder<>& builder, const llvm::Twine& name,
                                llvm::ArrayRef<llvm::Value*> operands, llvm::Value* mask_bits, llvm::Type* result,
                                LaneWork work);

/// A name for a type that is part of a helper's name: "i32", "f16", "ptr".
std::string type_suffix(llvm::Type* type);

}  // namespace mslc
