#include "codegen/codegen.h"

#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include "codegen/entry.h"
#include "codegen/kernel_module.h"
#include "codegen/pipeline.h"
#include "codegen/target.h"
#include "vectorise/lanes.h"
#include "vectorise/vectorise.h"

namespace mslc {

namespace {

/// Collects the back end's errors instead of ending the process.
class CollectErrors : public llvm::DiagnosticHandler {
 public:
  explicit CollectErrors(std::string& errors) : errors_(errors) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo& info) override {
    if (info.getSeverity() != llvm::DS_Error) return true;
    llvm::raw_string_ostream stream(errors_);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    info.print(printer);
    stream << '\n';
    return true;
  }

 private:
  std::string& errors_;
};

/// Sets a context's handler and puts the old one back.
class ScopedHandler {
 public:
  ScopedHandler(llvm::LLVMContext& context, std::string& errors) : context_(context), old_(context.getDiagnosticHandler()) {
    context.setDiagnosticHandler(std::make_unique<CollectErrors>(errors));
  }
  ~ScopedHandler() { context_.setDiagnosticHandler(std::move(old_)); }

 private:
  llvm::LLVMContext& context_;
  std::unique_ptr<llvm::DiagnosticHandler> old_;
};

void reject_leftovers(const llvm::Module& module, const llvm::Function& thread) {
  if (const llvm::GlobalVariable* list = module.getGlobalVariable("llvm.global_ctors");
      list && list->getInitializer()->getNumOperands() > 0)
    throw CompileError("a global variable's initialiser is not constant");
  for (const llvm::Instruction& instruction : llvm::instructions(thread)) {
    auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction);
    if (call && call->getCalledFunction() && !call->getCalledFunction()->isDeclaration())
      throw CompileError("call of a function that cannot be inlined: " + describe(*call));
  }
}

CompiledKernel compile(const llvm::Module& source, const std::string& ir_function, const KernelInfo& info,
                       const ConstantValues& constants, const CompileOptions& options) {
  std::unique_ptr<llvm::TargetMachine> machine = create_target_machine(options);
  std::unique_ptr<llvm::Module> module = extract_kernel(source, ir_function, constants);
  module->setTargetTriple(machine->getTargetTriple().str());
  module->setDataLayout(machine->createDataLayout());

  CompiledKernel compiled;
  Pipeline pipeline(*machine);
  llvm::Function* thread = create_thread_function(*module->getFunction(ir_function), info);
  pipeline.optimise_thread(*module, *thread);
  reject_leftovers(*module, *thread);
  compiled.threadgroup_bytes = place_threadgroup_variables(*thread);
  mark_invariant_loads(*thread);
  pipeline.prepare(*thread);

  pipeline.forget(*thread);
  SimdgroupBodies bodies = create_bodies(*thread, info);
  for (llvm::Function* body : {bodies.full, bodies.general}) {
    pipeline.simplify_entry(*body);
    vectorise(*body, pipeline.target_info(*body));
    compiled.has_barriers |= lower_barriers(*body);
    pipeline.forget(*body);
  }
  bodies.full->addFnAttr(llvm::Attribute::AlwaysInline);
  compiled.has_barriers ? create_run_simdgroup(bodies) : create_run_groups(bodies);
  for (llvm::Function& function : *module) function.addFnAttr("prefer-vector-width", "512");
  pipeline.optimise_vectors(*module);
  compiled.object = emit_object(*module, *machine);
  compiled.stack_bytes = stack_bytes(compiled.object);
  return compiled;
}

}  // namespace

CompiledKernel generate(const llvm::Module& module, const std::string& ir_function, const KernelInfo& info,
                        const ConstantValues& constants, const CompileOptions& options) {
  std::string errors;
  ScopedHandler handler(module.getContext(), errors);
  try {
    CompiledKernel compiled = compile(module, ir_function, info, constants, options);
    if (!errors.empty()) throw CompileError(errors);
    return compiled;
  } catch (const CompileError& error) {
    throw CompileError("kernel '" + info.name + "': " + error.what());
  }
}

}  // namespace mslc
