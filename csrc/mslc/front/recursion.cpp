#include "front/recursion.h"

#include <clang/AST/RecursiveASTVisitor.h>
#include <llvm/ADT/SCCIterator.h>
#include <llvm/Analysis/CallGraph.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Instructions.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Transforms/IPO/AlwaysInliner.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include <map>

#include "front/diagnostics.h"

namespace mslc {

namespace {

// Folds float comparisons that a dominating comparison of the same values decides. A predicate is a set of outcomes:
// less, equal, greater, unordered.
class ImpliedComparisons : public llvm::PassInfoMixin<ImpliedComparisons> {
 public:
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
    const auto& dominators = analyses.getResult<llvm::DominatorTreeAnalysis>(function);
    for (llvm::BasicBlock& block : function) {
      auto* branch = llvm::dyn_cast<llvm::BranchInst>(block.getTerminator());
      if (!branch || !branch->isConditional()) continue;
      auto* known = llvm::dyn_cast<llvm::FCmpInst>(branch->getCondition());
      if (!known) continue;
      fold(*known, known->getPredicate(), {&block, branch->getSuccessor(0)}, dominators);
      fold(*known, known->getInversePredicate(), {&block, branch->getSuccessor(1)}, dominators);
    }
    return llvm::PreservedAnalyses::none();
  }

 private:
  static void fold(llvm::FCmpInst& known, unsigned outcomes, llvm::BasicBlockEdge edge,
                   const llvm::DominatorTree& dominators) {
    for (llvm::User* user : llvm::make_early_inc_range(known.getOperand(0)->users())) {
      auto* other = llvm::dyn_cast<llvm::FCmpInst>(user);
      if (!other || other == &known || !dominators.dominates(edge, other->getParent())) continue;
      if (other->getOperand(0) != known.getOperand(0) || other->getOperand(1) != known.getOperand(1)) continue;
      const unsigned asked = other->getPredicate();
      if ((outcomes & asked) != 0 && (outcomes & ~asked) != 0) continue;
      other->replaceAllUsesWith(llvm::ConstantInt::getBool(other->getType(), (outcomes & asked) != 0));
    }
  }
};

class Simplifier {
 public:
  Simplifier() {
    llvm::PassBuilder builder;
    builder.registerModuleAnalyses(modules_);
    builder.registerCGSCCAnalyses(sccs_);
    builder.registerFunctionAnalyses(functions_);
    builder.registerLoopAnalyses(loops_);
    builder.crossRegisterProxies(loops_, functions_, sccs_, modules_);
    passes_.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
    passes_.addPass(llvm::EarlyCSEPass());
    passes_.addPass(llvm::InstCombinePass());  // -x < 0 is x > 0
    passes_.addPass(ImpliedComparisons());
    passes_.addPass(llvm::SimplifyCFGPass());
  }
  // The standard library's functions, which a condition such as `x < T(0)` calls.
  void inline_library(llvm::Module& module) {
    llvm::ModulePassManager passes;
    passes.addPass(llvm::AlwaysInlinerPass());
    passes.run(module, modules_);
    modules_.invalidate(module, llvm::PreservedAnalyses::none());
  }

  void run(llvm::Function& function) {
    passes_.run(function, functions_);
    functions_.invalidate(function, llvm::PreservedAnalyses::none());
  }

 private:
  llvm::LoopAnalysisManager loops_;
  llvm::FunctionAnalysisManager functions_;
  llvm::CGSCCAnalysisManager sccs_;
  llvm::ModuleAnalysisManager modules_;
  llvm::FunctionPassManager passes_;
};

using FunctionSet = std::vector<llvm::Function*>;

std::vector<FunctionSet> recursive_sets(llvm::Module& module) {
  std::vector<FunctionSet> sets;
  llvm::CallGraph graph(module);
  for (auto set = llvm::scc_begin(&graph); !set.isAtEnd(); ++set) {
    if (!set.hasCycle()) continue;
    sets.emplace_back();
    for (llvm::CallGraphNode* node : *set) {
      if (node->getFunction()) sets.back().push_back(node->getFunction());
    }
  }
  return sets;
}

std::vector<llvm::CallBase*> calls_into(llvm::Function& function, const FunctionSet& set) {
  std::vector<llvm::CallBase*> calls;
  for (llvm::BasicBlock& block : function) {
    for (llvm::Instruction& instruction : block) {
      auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction);
      if (call && llvm::is_contained(set, call->getCalledFunction())) calls.push_back(call);
    }
  }
  return calls;
}

// Inlines calls of the set's functions, as they were before any inlining, to a small depth.
void inline_within(const FunctionSet& set, Simplifier& simplifier) {
  constexpr int kDepth = 4;
  for (llvm::Function* function : set) simplifier.run(*function);
  std::map<llvm::Function*, llvm::Function*> originals;
  for (llvm::Function* function : set) {
    llvm::ValueToValueMapTy values;
    originals[function] = llvm::CloneFunction(function, values);
  }
  for (llvm::Function* function : set) {
    for (int depth = 0; depth < kDepth; ++depth) {
      const std::vector<llvm::CallBase*> calls = calls_into(*function, set);
      if (calls.empty()) break;
      for (llvm::CallBase* call : calls) {
        call->setCalledFunction(originals[call->getCalledFunction()]);
        llvm::InlineFunctionInfo info;
        llvm::InlineFunction(*call, info);
      }
      simplifier.run(*function);
    }
  }
  for (const auto& [function, original] : originals) original->dropAllReferences();
  for (const auto& [function, original] : originals) original->eraseFromParent();
}

}  // namespace

bool unroll_recursion(llvm::Module& module) {
  if (recursive_sets(module).empty()) return true;
  Simplifier simplifier;
  simplifier.inline_library(module);
  for (const FunctionSet& set : recursive_sets(module)) inline_within(set, simplifier);
  return recursive_sets(module).empty();
}

namespace {

// Finds cycles among the functions that a kernel reaches.
class RecursionCheck {
 public:
  explicit RecursionCheck(clang::ASTContext& context) : context_(context) {}

  void visit(const clang::FunctionDecl* function) {
    const clang::FunctionDecl* definition = nullptr;
    if (!function->hasBody(definition) || !states_.try_emplace(definition, State::Active).second) return;
    for (const auto& [callee, location] : calls_of(*definition)) {
      const clang::FunctionDecl* target = nullptr;
      if (!callee->hasBody(target)) continue;
      const auto state = states_.find(target);
      if (state != states_.end() && state->second == State::Active) {
        report(*target, location);
      } else {
        visit(target);
      }
    }
    states_[definition] = State::Done;
  }

 private:
  enum class State { Active, Done };
  using Call = std::pair<const clang::FunctionDecl*, clang::SourceLocation>;

  struct CallCollector : clang::RecursiveASTVisitor<CallCollector> {
    std::vector<Call> calls;
    bool VisitCallExpr(clang::CallExpr* call) {
      if (const clang::FunctionDecl* callee = call->getDirectCallee()) calls.emplace_back(callee, call->getBeginLoc());
      return true;
    }
    bool VisitCXXConstructExpr(clang::CXXConstructExpr* construction) {
      calls.emplace_back(construction->getConstructor(), construction->getLocation());
      return true;
    }
    bool TraverseLambdaExpr(clang::LambdaExpr*) { return true; }  // its body runs when it is called
  };

  static std::vector<Call> calls_of(const clang::FunctionDecl& function) {
    CallCollector collector;
    collector.TraverseStmt(function.getBody());
    return std::move(collector.calls);
  }

  void report(const clang::FunctionDecl& function, clang::SourceLocation location) {
    report_error(context_.getDiagnostics(), location, "recursive call of '%0' is not supported in Metal",
                 function.getNameAsString());
  }

  clang::ASTContext& context_;
  std::map<const clang::FunctionDecl*, State> states_;
};

}  // namespace

void report_recursion(clang::ASTContext& context, const Reflection& reflection) {
  RecursionCheck check(context);
  for (const ReflectedKernel& kernel : reflection.kernels) check.visit(kernel.declaration);
}

}  // namespace mslc
