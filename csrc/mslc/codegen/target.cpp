#include "codegen/target.h"

#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/SubtargetFeature.h>

#include <algorithm>
#include <mutex>

#include "codegen/codegen.h"

namespace mslc {

namespace {

std::string host_features() {
  std::vector<std::string> names;
  for (const auto& feature : llvm::sys::getHostCPUFeatures())
    names.push_back((feature.second ? "+" : "-") + feature.first().str());
  std::sort(names.begin(), names.end());
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
  return joined;
}

struct Cpu {
  std::string name, features;
};

const Cpu& host_cpu() {
  static const Cpu cpu{llvm::sys::getHostCPUName().str(), host_features()};
  return cpu;
}

Cpu cpu_of(const CompileOptions& options) { return options.cpu.empty() ? host_cpu() : Cpu{options.cpu, ""}; }

}  // namespace

std::unique_ptr<llvm::TargetMachine> create_target_machine(const CompileOptions& options) {
  static std::once_flag initialised;
  std::call_once(initialised, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  std::string triple = llvm::sys::getProcessTriple(), error;
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) throw CompileError("no code generator for " + triple + ": " + error);
  llvm::TargetOptions target_options;
  target_options.EmitStackSizeSection = true;
  target_options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  Cpu cpu = cpu_of(options);
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, cpu.name, cpu.features, target_options, llvm::Reloc::PIC_, llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
  if (!machine || !machine->getMCSubtargetInfo()->isCPUStringValid(cpu.name))
    throw CompileError("unknown CPU '" + cpu.name + "'");
  return machine;
}

std::string target_description(const CompileOptions& options) {
  Cpu cpu = cpu_of(options);
  return llvm::sys::getProcessTriple() + " " + cpu.name + " " + cpu.features;
}

}  // namespace mslc
