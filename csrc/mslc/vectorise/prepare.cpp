#include "vectorise/prepare.h"

#include <llvm/Analysis/InstructionSimplify.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/InstSimplifyPass.h>
#include <llvm/Transforms/Scalar/Scalarizer.h>
#include <llvm/Transforms/Scalar/StructurizeCFG.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>
#include <llvm/Transforms/Utils/FixIrreducible.h>
#include <llvm/Transforms/Utils/LCSSA.h>
#include <llvm/Transforms/Utils/LoopSimplify.h>
#include <llvm/Transforms/Utils/LoopUtils.h>
#include <llvm/Transforms/Utils/LowerSwitch.h>
#include <llvm/Transforms/Utils/UnifyFunctionExitNodes.h>
#include <llvm/Transforms/Utils/UnifyLoopExits.h>

#include "vectorise/small_floats.h"

namespace mslc {

llvm::PreservedAnalyses SafeDivisionPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  for (llvm::Instruction& instruction : llvm::instructions(function)) {
    auto* division = llvm::dyn_cast<llvm::BinaryOperator>(&instruction);
    if (!division || !division->isIntDivRem()) continue;
    llvm::Value *dividend = division->getOperand(0), *divisor = division->getOperand(1);
    llvm::Type* type = division->getType();
    bool is_signed = division->getOpcode() == llvm::Instruction::SDiv || division->getOpcode() == llvm::Instruction::SRem;
    auto* constant = llvm::dyn_cast<llvm::ConstantInt>(divisor);
    if (constant && !constant->isZero() && !(is_signed && constant->isMinusOne())) continue;
    llvm::IRBuilder<> b(division);
    divisor = b.CreateFreeze(divisor);
    llvm::Value* unsafe = b.CreateICmpEQ(divisor, llvm::Constant::getNullValue(type));
    if (is_signed) {
      dividend = b.CreateFreeze(dividend);
      auto* lowest = llvm::ConstantInt::get(type, llvm::APInt::getSignedMinValue(type->getScalarSizeInBits()));
      llvm::Value* overflows = b.CreateAnd(b.CreateICmpEQ(dividend, lowest),
                                           b.CreateICmpEQ(divisor, llvm::Constant::getAllOnesValue(type)));
      unsafe = b.CreateOr(unsafe, overflows);
      division->setOperand(0, dividend);
    }
    division->setOperand(1, b.CreateSelect(unsafe, llvm::ConstantInt::get(type, 1), divisor));
    division->dropPoisonGeneratingFlags();
  }
  return llvm::PreservedAnalyses::none();
}

namespace {

constexpr unsigned kMaxUnrolledIterations = 64;
constexpr unsigned kMaxUnrolledInstructions = 4096;

bool indexes_private_array(const llvm::Loop& loop) {
  for (const llvm::BasicBlock* block : loop.blocks()) {
    for (const llvm::Instruction& instruction : *block) {
      auto* address = llvm::dyn_cast<llvm::GetElementPtrInst>(&instruction);
      if (!address || address->hasAllConstantIndices()) continue;
      if (llvm::isa<llvm::AllocaInst>(llvm::getUnderlyingObject(address))) return true;
    }
  }
  return false;
}

unsigned instruction_count(const llvm::Loop& loop) {
  unsigned count = 0;
  for (const llvm::BasicBlock* block : loop.blocks()) count += block->size();
  return count;
}

}  // namespace

llvm::PreservedAnalyses UnrollPrivateArraysPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  auto& loops = analyses.getResult<llvm::LoopAnalysis>(function);
  auto& evolution = analyses.getResult<llvm::ScalarEvolutionAnalysis>(function);
  for (llvm::Loop* loop : loops.getLoopsInPreorder()) {
    unsigned iterations = evolution.getSmallConstantMaxTripCount(loop);
    if (iterations == 0 || iterations > kMaxUnrolledIterations) continue;
    if (iterations * instruction_count(*loop) > kMaxUnrolledInstructions || !indexes_private_array(*loop)) continue;
    // A loop that may end early would stay as branchy as it is, only many times as long.
    if (!loop->getExitingBlock() || llvm::findOptionMDForLoop(loop, "llvm.loop.unroll.disable")) continue;
    llvm::addStringMetadataToLoop(loop, "llvm.loop.unroll.full");
  }
  return llvm::PreservedAnalyses::all();
}

llvm::PreservedAnalyses SmallFloatsPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  widen_small_floats(function);
  hold_bfloats_as_bits(function);
  llvm::PreservedAnalyses preserved;
  preserved.preserveSet<llvm::CFGAnalyses>();
  return preserved;
}

namespace {

/// True, and known to no pass: a volatile load of a constant.
llvm::Value* opaque_truth(llvm::IRBuilder<>& b, llvm::Module& module) {
  constexpr char kName[] = "mslc.true";
  llvm::GlobalVariable* truth = module.getNamedGlobal(kName);
  if (!truth) {
    truth = new llvm::GlobalVariable(module, b.getInt8Ty(), /*isConstant=*/true, llvm::GlobalValue::InternalLinkage,
                                     b.getInt8(1), kName);
  }
  return b.CreateICmpNE(b.CreateLoad(b.getInt8Ty(), truth, /*isVolatile=*/true), b.getInt8(0));
}

}  // namespace

llvm::PreservedAnalyses EndlessLoopsPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  auto& loops = analyses.getResult<llvm::LoopAnalysis>(function);
  llvm::SmallVector<std::pair<llvm::BasicBlock*, llvm::BasicBlock*>> back_edges;
  for (llvm::Loop* loop : loops.getLoopsInPreorder())
    if (loop->hasNoExitBlocks() && loop->getLoopLatch()) back_edges.emplace_back(loop->getLoopLatch(), loop->getHeader());
  for (auto [latch, header] : back_edges) {
    llvm::BasicBlock* edge = llvm::SplitEdge(latch, header);
    auto* way_out = llvm::BasicBlock::Create(function.getContext(), "never", &function);
    llvm::ReturnInst::Create(function.getContext(), way_out);
    llvm::IRBuilder<> b(edge->getTerminator());
    b.CreateCondBr(opaque_truth(b, *function.getParent()), header, way_out);
    edge->getTerminator()->eraseFromParent();
  }
  return back_edges.empty() ? llvm::PreservedAnalyses::all() : llvm::PreservedAnalyses::none();
}

void add_preparation(llvm::FunctionPassManager& passes) {
  llvm::ScalarizerPassOptions scalarise;
  scalarise.ScalarizeLoadStore = true;
  scalarise.ScalarizeVariableInsertExtract = true;
  auto scalar_form = [&] {
    passes.addPass(LegalisePass());
    passes.addPass(llvm::ScalarizerPass(scalarise));
  };
  scalar_form();
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(SeparateLoadsPass());
  scalar_form();
  passes.addPass(SmallFloatsPass());
  passes.addPass(llvm::ADCEPass());
  passes.addPass(PrivateArraysPass());

  passes.addPass(llvm::LowerSwitchPass());
  passes.addPass(llvm::FixIrreduciblePass());
  passes.addPass(llvm::LoopSimplifyPass());
  passes.addPass(EndlessLoopsPass());
  passes.addPass(llvm::UnifyFunctionExitNodesPass());
  passes.addPass(llvm::UnifyLoopExitsPass());
  passes.addPass(llvm::LoopSimplifyPass());
  passes.addPass(llvm::StructurizeCFGPass());
  passes.addPass(llvm::InstSimplifyPass());
  passes.addPass(llvm::LoopSimplifyPass());
  passes.addPass(llvm::LCSSAPass());
}

}  // namespace mslc
