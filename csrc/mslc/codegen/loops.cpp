// The functions that the executor calls: which body runs which SIMD-group.
#include <llvm/IR/Module.h>

#include <array>

#include "codegen/dispatch_ir.h"
#include "codegen/entry.h"
#include "executor/abi.h"
#include "vectorise/lanes.h"

namespace mslc {

namespace {

using Builder = llvm::IRBuilder<>;
using Triple = std::array<llvm::Value*, 3>;

/// A function under construction. Counters are variables in memory until optimised.
class RunFunction {
 public:
  RunFunction(const SimdgroupBodies& bodies, llvm::StringRef name, llvm::ArrayRef<llvm::Type*> parameters)
      : bodies_(bodies), b_(bodies.full->getContext()) {
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), parameters, false);
    function_ = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, bodies.full->getParent());
    function_->setDoesNotThrow();
    function_->addParamAttr(1, llvm::Attribute::NoAlias);
    b_.SetInsertPoint(llvm::BasicBlock::Create(b_.getContext(), "entry", function_));
  }

  Builder& builder() { return b_; }
  llvm::Argument* argument(unsigned i) { return function_->getArg(i); }
  DispatchReader reader() { return DispatchReader(b_, argument(0)); }

  llvm::AllocaInst* variable(llvm::Value* initial) {
    Builder entry(&*function_->getEntryBlock().begin());
    llvm::AllocaInst* variable = entry.CreateAlloca(initial->getType());
    b_.CreateStore(initial, variable);
    return variable;
  }
  llvm::Value* get(llvm::AllocaInst* variable) { return b_.CreateLoad(variable->getAllocatedType(), variable); }
  void increment(llvm::AllocaInst* variable) {
    b_.CreateStore(b_.CreateAdd(get(variable), llvm::ConstantInt::get(variable->getAllocatedType(), 1)), variable);
  }

  /// while (counter < end) { body; ++counter; }
  template <class Body>
  void loop(llvm::AllocaInst* counter, llvm::Value* end, Body body) {
    auto *head = block("loop"), *inside = block("body"), *after = block("after");
    b_.CreateBr(head);
    b_.SetInsertPoint(head);
    b_.CreateCondBr(b_.CreateICmpULT(get(counter), end), inside, after);
    b_.SetInsertPoint(inside);
    body();
    increment(counter);
    b_.CreateBr(head);
    b_.SetInsertPoint(after);
  }

  /// do { body; ++counter; } while (counter < end)
  template <class Body>
  void repeat(llvm::AllocaInst* counter, llvm::Value* end, Body body) {
    auto *inside = block("body"), *after = block("after");
    b_.CreateBr(inside);
    b_.SetInsertPoint(inside);
    body();
    increment(counter);
    b_.CreateCondBr(b_.CreateICmpULT(get(counter), end), inside, after);
    b_.SetInsertPoint(after);
  }

  template <class Then, class Otherwise>
  void branch(llvm::Value* condition, Then then, Otherwise otherwise) {
    auto *yes = block("then"), *no = block("else"), *after = block("after");
    b_.CreateCondBr(condition, yes, no);
    b_.SetInsertPoint(yes);
    then();
    b_.CreateBr(after);
    b_.SetInsertPoint(no);
    otherwise();
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
  }

  /// Threads of the threadgroup at `group` along each dimension.
  Triple group_size(Triple group) {
    Triple size;
    for (unsigned d = 0; d < 3; ++d) {
      llvm::Value* start = b_.CreateMul(group[d], reader().threads(d));
      size[d] = b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, reader().threads(d), b_.CreateSub(reader().grid(d), start));
    }
    return size;
  }

  /// Whether SIMD-groups lie in rows: whole ones, or there is only one row.
  llvm::Value* is_in_rows(Triple size) {
    llvm::Value* whole = b_.CreateICmpEQ(b_.CreateAnd(size[0], kLanes - 1), b_.getInt32(0));
    return b_.CreateOr(whole, b_.CreateICmpEQ(b_.CreateMul(size[1], size[2]), b_.getInt32(1)));
  }

  void call_general(llvm::Value* ring, Triple group, Triple size, llvm::Value* simdgroup) {
    b_.CreateCall(bodies_.general, {argument(0), argument(1), ring, group[0], group[1], group[2], size[0], size[1],
                                    size[2], simdgroup});
  }

  void call_full(llvm::Value* ring, Triple group, Triple size, llvm::Value* simdgroup, Triple block) {
    llvm::Value* start = b_.CreateAdd(b_.CreateMul(group[0], reader().threads(0)), b_.CreateShl(block[0], 5));
    b_.CreateCall(bodies_.full, {argument(0), argument(1), ring, group[0], group[1], group[2], size[0], size[1],
                                 size[2], simdgroup, block[0], block[1], block[2], start});
  }

  void finish() { b_.CreateRetVoid(); }

 private:
  llvm::BasicBlock* block(llvm::StringRef name) { return llvm::BasicBlock::Create(b_.getContext(), name, function_); }

  const SimdgroupBodies& bodies_;
  Builder b_;
  llvm::Function* function_;
};

/// All SIMD-groups of one threadgroup, one after the other.
void run_group(RunFunction& run, Triple group) {
  Builder& b = run.builder();
  llvm::Value* no_ring = llvm::ConstantPointerNull::get(b.getPtrTy());
  Triple size = run.group_size(group);
  llvm::Value* threads = b.CreateMul(b.CreateMul(size[0], size[1]), size[2]);
  llvm::Value* simdgroups = b.CreateLShr(b.CreateAdd(threads, b.getInt32(kLanes - 1)), 5);
  llvm::AllocaInst* simdgroup = run.variable(b.getInt32(0));
  auto run_rows = [&] {
    // Whole rows have at least one SIMD-group each: what is the same for all of them is found once.
    llvm::AllocaInst* z = run.variable(b.getInt32(0));
    run.repeat(z, size[2], [&] {
      llvm::AllocaInst* y = run.variable(b.getInt32(0));
      run.repeat(y, size[1], [&] {
        llvm::AllocaInst* x = run.variable(b.getInt32(0));
        run.repeat(x, b.CreateLShr(size[0], 5), [&] {
          run.call_full(no_ring, group, size, run.get(simdgroup), {run.get(x), run.get(y), run.get(z)});
          run.increment(simdgroup);
        });
      });
    });
  };
  llvm::Value* is_long = b.CreateICmpUGE(size[0], b.getInt32(kLanes));
  run.branch(b.CreateAnd(run.is_in_rows(size), is_long), run_rows, [] {});
  // The rest of the only row, or all.
  run.loop(simdgroup, simdgroups, [&] { run.call_general(no_ring, group, size, run.get(simdgroup)); });
}

}  // namespace

void create_run_groups(const SimdgroupBodies& bodies) {
  llvm::LLVMContext& context = bodies.full->getContext();
  llvm::Type *pointer = llvm::PointerType::get(context, 0), *wide = llvm::Type::getInt64Ty(context);
  RunFunction run(bodies, kRunGroups, {pointer, pointer, wide, wide});
  Builder& b = run.builder();
  Triple groups;
  for (unsigned d = 0; d < 3; ++d) groups[d] = run.reader().groups(d);
  llvm::Value* first = run.argument(2);
  llvm::Value* columns = b.CreateZExt(groups[0], wide);
  llvm::Value *row = b.CreateUDiv(first, columns), *rows = b.CreateZExt(groups[1], wide);
  auto narrow = [&](llvm::Value* v) { return b.CreateTrunc(v, b.getInt32Ty()); };
  std::array<llvm::AllocaInst*, 3> group = {run.variable(narrow(b.CreateURem(first, columns))),
                                            run.variable(narrow(b.CreateURem(row, rows))),
                                            run.variable(narrow(b.CreateUDiv(row, rows)))};
  llvm::AllocaInst* index = run.variable(first);
  run.loop(index, run.argument(3), [&] {
    run_group(run, {run.get(group[0]), run.get(group[1]), run.get(group[2])});
    // The next one, x fastest.
    auto wraps = [&](unsigned d) { return b.CreateICmpEQ(run.get(group[d]), groups[d]); };
    run.increment(group[0]);
    run.branch(wraps(0), [&] {
      b.CreateStore(b.getInt32(0), group[0]);
      run.increment(group[1]);
      run.branch(wraps(1), [&] {
        b.CreateStore(b.getInt32(0), group[1]);
        run.increment(group[2]);
      }, [] {});
    }, [] {});
  });
  run.finish();
}

void create_run_simdgroup(const SimdgroupBodies& bodies) {
  llvm::LLVMContext& context = bodies.full->getContext();
  llvm::Type *pointer = llvm::PointerType::get(context, 0), *word = llvm::Type::getInt32Ty(context);
  RunFunction run(bodies, kRunSimdgroup, {pointer, pointer, pointer, word, word, word, word});
  Builder& b = run.builder();
  llvm::Value *ring = run.argument(2), *simdgroup = run.argument(6);
  Triple group = {run.argument(3), run.argument(4), run.argument(5)};
  Triple size = run.group_size(group);
  llvm::Value* first = b.CreateShl(simdgroup, 5);
  llvm::Value* threads = b.CreateMul(b.CreateMul(size[0], size[1]), size[2]);
  llvm::Value* is_full = b.CreateICmpULE(b.CreateAdd(first, b.getInt32(kLanes)), threads);
  run.branch(
      b.CreateAnd(run.is_in_rows(size), is_full),
      [&] {
        llvm::Value* row = b.CreateUDiv(first, size[0]);
        llvm::Value* block = b.CreateLShr(b.CreateURem(first, size[0]), 5);
        run.call_full(ring, group, size, simdgroup, {block, b.CreateURem(row, size[1]), b.CreateUDiv(row, size[1])});
      },
      [&] { run.call_general(ring, group, size, simdgroup); });
  run.finish();
}

}  // namespace mslc
