// executor/abi.h in IR, and the parameters of a SIMD-group's body.
#pragma once

#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>

namespace mslc {

/// Parameters of the functions that run a SIMD-group. `general` has those up to Simdgroup.
enum BodyParameter : unsigned {
  kDispatch,
  kMemory,  ///< the threadgroup's block
  kRing,
  kGroupX,
  kGroupY,
  kGroupZ,
  kSizeX,  ///< of this threadgroup, which the grid's end may have cut off
  kSizeY,
  kSizeZ,
  kSimdgroup,
  kGeneralParameters,
  kBlockX = kGeneralParameters,  ///< first thread's x in the threadgroup, in units of 32
  kThreadY,
  kThreadZ,
  kGridX,  ///< first thread's x in the grid
  kFullParameters,
};

/// Reads fields of a Dispatch.
class DispatchReader {
 public:
  DispatchReader(llvm::IRBuilder<>& builder, llvm::Value* dispatch) : b_(builder), dispatch_(dispatch) {}

  /// `pointee_size`: bytes that are known to be there, 0 if unknown.
  llvm::Value* buffer(unsigned index, uint64_t pointee_size);
  llvm::Value* threadgroup_offset(unsigned index);
  llvm::Value* grid(unsigned dimension);
  llvm::Value* threads(unsigned dimension);
  llvm::Value* groups(unsigned dimension);

 private:
  llvm::LoadInst* load(llvm::Type* type, llvm::Value* base, uint64_t offset);

  llvm::IRBuilder<>& b_;
  llvm::Value* dispatch_;
};

}  // namespace mslc
