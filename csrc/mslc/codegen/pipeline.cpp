#include "codegen/pipeline.h"

#include <llvm/CodeGen/MachineModuleInfo.h>
#include <llvm/CodeGen/Passes.h>
#include <llvm/CodeGen/TargetPassConfig.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/DataExtractor.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/IPO/AlwaysInliner.h>
#include <llvm/Transforms/IPO/GlobalDCE.h>
#include <llvm/Transforms/IPO/GlobalOpt.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/DeadStoreElimination.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/IndVarSimplify.h>
#include <llvm/Transforms/Scalar/InstSimplifyPass.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopDeletion.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/LoopRotation.h>
#include <llvm/Transforms/Scalar/LoopUnrollPass.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Utils/LCSSA.h>
#include <llvm/Transforms/Utils/LoopSimplify.h>

#include "codegen/hoist_loops.h"
#include "mslc/mslc.h"
#include "vectorise/prepare.h"

namespace mslc {

Pipeline::Pipeline(llvm::TargetMachine& machine) : builder_(&machine) {
  builder_.registerModuleAnalyses(module_analyses_);
  builder_.registerCGSCCAnalyses(scc_analyses_);
  builder_.registerFunctionAnalyses(function_analyses_);
  builder_.registerLoopAnalyses(loop_analyses_);
  builder_.crossRegisterProxies(loop_analyses_, function_analyses_, scc_analyses_, module_analyses_);
}

void Pipeline::run(llvm::FunctionPassManager& passes, llvm::Function& function) {
  function_analyses_.invalidate(function, passes.run(function, function_analyses_));
}

llvm::TargetTransformInfo& Pipeline::target_info(llvm::Function& function) {
  return function_analyses_.getResult<llvm::TargetIRAnalysis>(function);
}

void Pipeline::inline_calls(llvm::Module& module, llvm::Function& kernel, bool keep_accesses) {
  // Small functions first: what is inlined many times should be short.
  llvm::FunctionPassManager callees;
  callees.addPass(SafeDivisionPass());
  callees.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  if (!keep_accesses) {
    callees.addPass(llvm::EarlyCSEPass());
    callees.addPass(llvm::SimplifyCFGPass());
  }
  llvm::ModulePassManager inlining;
  inlining.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(callees)));
  inlining.addPass(llvm::AlwaysInlinerPass());
  inlining.addPass(llvm::GlobalOptPass());
  inlining.addPass(llvm::GlobalDCEPass());
  module_analyses_.invalidate(module, inlining.run(module, module_analyses_));
  if (!keep_accesses) return;
  llvm::FunctionPassManager registers;
  registers.addPass(llvm::SROAPass(llvm::SROAOptions::PreserveCFG));
  run(registers, kernel);
}

void Pipeline::optimise_thread(llvm::Function& kernel) {
  llvm::FunctionPassManager passes;
  auto combine = [&] {
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(SeparateLoadsPass());
  };
  auto clean_up = [&] {
    passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
    passes.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
    passes.addPass(llvm::SimplifyCFGPass());
    combine();
  };
  clean_up();
  passes.addPass(llvm::SimplifyCFGPass());
  llvm::LoopPassManager rotation;
  rotation.addPass(llvm::LoopRotatePass());
  rotation.addPass(llvm::LICMPass(llvm::LICMOptions()));
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(rotation), /*UseMemorySSA=*/true));
  passes.addPass(llvm::SimplifyCFGPass());
  combine();
  llvm::LoopPassManager counters;
  counters.addPass(llvm::IndVarSimplifyPass());
  counters.addPass(llvm::LoopDeletionPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(counters)));
  passes.addPass(UnrollPrivateArraysPass());
  llvm::LoopPassManager unrolling;
  unrolling.addPass(llvm::LoopFullUnrollPass(/*OptLevel=*/2));
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(unrolling)));
  clean_up();
  passes.addPass(llvm::GVNPass());
  combine();
  passes.addPass(llvm::DSEPass());
  passes.addPass(llvm::ADCEPass());
  passes.addPass(llvm::SimplifyCFGPass());
  run(passes, kernel);
}

void Pipeline::prepare(llvm::Function& kernel) {
  llvm::FunctionPassManager passes;
  add_preparation(passes);
  run(passes, kernel);
}

void Pipeline::simplify_entry(llvm::Function& entry) {
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::InstSimplifyPass());
  passes.addPass(llvm::LoopSimplifyPass());
  passes.addPass(llvm::LCSSAPass());
  run(passes, entry);
}

void Pipeline::optimise_vectors(llvm::Module& module) {
  llvm::FunctionPassManager bodies;
  bodies.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  bodies.addPass(llvm::SimplifyCFGPass());
  bodies.addPass(llvm::InstCombinePass());
  llvm::FunctionPassManager entries;
  entries.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  entries.addPass(llvm::SimplifyCFGPass());
  llvm::LoopPassManager rotation;
  rotation.addPass(llvm::LoopRotatePass());
  rotation.addPass(llvm::LICMPass(llvm::LICMOptions()));
  entries.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(rotation), /*UseMemorySSA=*/true));
  entries.addPass(HoistLoopsPass());
  entries.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), /*UseMemorySSA=*/true));
  entries.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  entries.addPass(llvm::InstCombinePass());
  entries.addPass(llvm::DSEPass());
  entries.addPass(llvm::SimplifyCFGPass());
  llvm::ModulePassManager passes;
  passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(bodies)));
  passes.addPass(llvm::AlwaysInlinerPass());
  passes.addPass(llvm::GlobalDCEPass());
  passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(entries)));
  module_analyses_.invalidate(module, passes.run(module, module_analyses_));
}

namespace {

void add_code_generation(llvm::legacy::PassManager& passes, llvm::LLVMTargetMachine& machine,
                         llvm::raw_pwrite_stream& stream, const Emission& emission) {
  auto* module_info = new llvm::MachineModuleInfoWrapperPass(&machine);  // the pass manager's own, as is the next
  llvm::TargetPassConfig* config = machine.createPassConfig(passes);
  config->setDisableVerify(true);
  if (emission.keep_order) {
    config->disablePass(&llvm::MachineSchedulerID);
    config->disablePass(&llvm::PostMachineSchedulerID);
  }
  passes.add(config);
  passes.add(module_info);
  bool failed = config->addISelPasses();
  if (!failed) {
    config->addMachinePasses();
    config->setInitialized();
    failed = machine.addAsmPrinter(passes, stream, nullptr, emission.type, module_info->getMMI().getContext());
  }
  if (failed) throw CompileError("this target has no object files");
  passes.add(llvm::createFreeMachineFunctionPass());
}

}  // namespace

std::string emit_file(llvm::Module& module, llvm::TargetMachine& machine, const Emission& emission) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  add_code_generation(passes, static_cast<llvm::LLVMTargetMachine&>(machine), stream, emission);
  passes.run(module);
  return std::string(bytes.begin(), bytes.end());
}

uint64_t stack_bytes(const std::string& object) {
  llvm::Expected<std::unique_ptr<llvm::object::ObjectFile>> file =
      llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, "kernel"));
  if (!file) throw CompileError(llvm::toString(file.takeError()));
  uint64_t total = 0;
  for (const llvm::object::SectionRef& section : (*file)->sections()) {
    auto name = section.getName();
    auto contents = section.getContents();
    if (!name || !contents || *name != ".stack_sizes") continue;
    // Entries are a function's address and the size of its frame.
    llvm::DataExtractor data(*contents, /*IsLittleEndian=*/true, /*AddressSize=*/8);
    for (uint64_t offset = 0; data.isValidOffset(offset);) {
      data.getAddress(&offset);
      total += data.getULEB128(&offset);
    }
  }
  return total;
}

}  // namespace mslc
