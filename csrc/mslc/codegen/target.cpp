#include "codegen/target.h"

#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/SubtargetFeature.h>
#include <llvm/TargetParser/Triple.h>

#include <algorithm>
#include <mutex>

#include "codegen/codegen.h"
#include "host_triple.h"

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
#ifdef __APPLE__
  // macOS clears register 18 whenever it likes.
  static const Cpu cpu{llvm::sys::getHostCPUName().str(), host_features() + ",+reserve-x18"};
#else
  static const Cpu cpu{llvm::sys::getHostCPUName().str(), host_features()};
#endif
  return cpu;
}

/// What code for another machine may count on if no CPU is named.
constexpr char kAnyCpu[] = "generic";

Cpu cpu_of(const CompileOptions& options) {
  if (!options.cpu.empty()) return {options.cpu, ""};
  if (options.target.empty()) return host_cpu();
  // Without ARMv8.1's atomics LLVM's compare-and-swap loses stores: it discards the status of an exclusive one.
  const bool is_aarch64 = llvm::Triple(llvm::Triple::normalize(options.target)).isAArch64();
  return {kAnyCpu, is_aarch64 ? "+lse" : ""};
}

std::string triple_of(const CompileOptions& options) {
  return options.target.empty() ? host_triple() : llvm::Triple::normalize(options.target);
}

void initialise_native() {
  static std::once_flag initialised;
  std::call_once(initialised, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

void initialise_all() {
  static std::once_flag initialised;
  std::call_once(initialised, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
  });
}

}  // namespace

std::unique_ptr<llvm::TargetMachine> create_target_machine(const CompileOptions& options) {
  options.target.empty() ? initialise_native() : initialise_all();
  std::string triple = triple_of(options), error;
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

TargetFeatures features_of(const llvm::TargetMachine& machine) {
  if (!machine.getTargetTriple().isX86()) return {};
  const llvm::MCSubtargetInfo& cpu = *machine.getMCSubtargetInfo();
  return {cpu.checkFeatures("+avx512bf16"), cpu.checkFeatures("+cx16"), cpu.checkFeatures("+avx512f")};
}

std::string target_description(const CompileOptions& options) {
  Cpu cpu = cpu_of(options);
  return triple_of(options) + " " + cpu.name + " " + cpu.features;
}

}  // namespace mslc
