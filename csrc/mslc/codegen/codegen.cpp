#include "codegen/codegen.h"

#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include "codegen/entry.h"
#include "codegen/kernel_module.h"
#include "codegen/pipeline.h"
#include "codegen/quiet_extrema.h"
#include "codegen/register_width.h"
#include "codegen/target.h"
#include "validate/insert_checks.h"
#include "vectorise/lanes.h"
#include "vectorise/vectorise.h"

namespace mslc {

namespace {

/// Of a SIMD-group: 2 MB for each of its threads.
constexpr uint64_t kMaxStackBytes = 64 << 20;

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

/// One kernel on its way to machine code. Each step needs those above it.
class Compilation {
 public:
  Compilation(const llvm::Module& source, const std::string& ir_function, const KernelInfo& info,
              const ConstantValues& constants, const CompileOptions& options)
      : info_(info),
        validates_(options.validate),
        machine_(create_target_machine(options)),
        module_(extract_kernel(source, ir_function, constants)),
        pipeline_(*machine_) {
    module_->setTargetTriple(machine_->getTargetTriple().str());
    module_->setDataLayout(machine_->createDataLayout());
    thread_ = create_thread_function(*module_->getFunction(ir_function), info);
  }

  void optimise_thread() {
    pipeline_.inline_calls(*module_, *thread_, /*keep_accesses=*/validates_);
    if (validates_) {
      compiled_.validates = true;
      compiled_.sites = insert_checks(*thread_, info_);
      pipeline_.forget(*thread_);
    }
    pipeline_.optimise_thread(*thread_);
    reject_leftovers(*module_, *thread_);
    compiled_.threadgroup_bytes = place_threadgroup_variables(*thread_);
    mark_invariant_loads(*thread_);
    pipeline_.prepare(*thread_);
    multiplies_matrices_ = llvm::any_of(llvm::instructions(*thread_), [](const llvm::Instruction& instruction) {
      return builtin_name(&instruction).starts_with("__msl_matrix_mma");
    });
  }

  void vectorise_bodies() {
    pipeline_.forget(*thread_);
    SimdgroupBodies bodies = create_bodies(*thread_, info_);
    for (llvm::Function* body : {bodies.full, bodies.general}) {
      pipeline_.simplify_entry(*body);
      if (body == bodies.full) split_divergent_loops(*body);
      vectorise(*body, pipeline_.target_info(*body), features_of(*machine_));
      compiled_.has_barriers |= lower_barriers(*body);
      pipeline_.forget(*body);
    }
    bodies.full->addFnAttr(llvm::Attribute::AlwaysInline);
    // Validating code is told which SIMD-group runs, so it runs one at a time.
    compiled_.has_barriers || validates_ ? create_run_simdgroup(bodies) : create_run_groups(bodies);
    choose_register_width(*module_, *bodies.full, *machine_);
    pipeline_.optimise_vectors(*module_);
    if (machine_->getTargetTriple().isAArch64()) quieten_extrema(*module_);
  }

  CompiledKernel generate_code() {
    compiled_.object = emit_file(*module_, *machine_, {llvm::CodeGenFileType::ObjectFile, keeps_order()});
    compiled_.stack_bytes = stack_bytes(compiled_.object);
    if (compiled_.stack_bytes > kMaxStackBytes)
      throw CompileError("variables take " + std::to_string(compiled_.stack_bytes / kLanes) +
                         " bytes of a thread's memory; " + std::to_string(kMaxStackBytes / kLanes) + " is the most");
    return std::move(compiled_);
  }

  std::string assembly() { return emit_file(*module_, *machine_, {llvm::CodeGenFileType::AssemblyFile, keeps_order()}); }

  std::string ir() const {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module_->print(stream, nullptr);
    return text;
  }

 private:
  /// Where a value of 32 lanes takes eight registers, scheduling them takes long and leaves fewer of them free.
  bool keeps_order() const { return multiplies_matrices_ || machine_->getTargetTriple().isAArch64(); }

  const KernelInfo& info_;
  const bool validates_;
  std::unique_ptr<llvm::TargetMachine> machine_;
  std::unique_ptr<llvm::Module> module_;
  Pipeline pipeline_;
  llvm::Function* thread_;
  CompiledKernel compiled_;
  bool multiplies_matrices_ = false;
};

/// What `work` returns. Errors, LLVM's own too, become a CompileError that names the kernel.
template <class Work>
auto report_errors(llvm::LLVMContext& context, const KernelInfo& info, Work work) {
  std::string errors;
  ScopedHandler handler(context, errors);
  try {
    auto result = work();
    if (!errors.empty()) throw CompileError(errors);
    return result;
  } catch (const CompileError& error) {
    throw CompileError("kernel '" + info.name + "': " + error.what());
  }
}

}  // namespace

CompiledKernel generate(const llvm::Module& module, const std::string& ir_function, const KernelInfo& info,
                        const ConstantValues& constants, const CompileOptions& options) {
  return report_errors(module.getContext(), info, [&] {
    Compilation compilation(module, ir_function, info, constants, options);
    compilation.optimise_thread();
    compilation.vectorise_bodies();
    return compilation.generate_code();
  });
}

std::string generate_text(const llvm::Module& module, const std::string& ir_function, const KernelInfo& info,
                          const ConstantValues& constants, const CompileOptions& options, CodeForm form) {
  return report_errors(module.getContext(), info, [&] {
    Compilation compilation(module, ir_function, info, constants, options);
    compilation.optimise_thread();
    if (form == CodeForm::ThreadIr) return compilation.ir();
    compilation.vectorise_bodies();
    if (form == CodeForm::SimdgroupIr) return compilation.ir();
    return form == CodeForm::Assembly ? compilation.assembly() : compilation.generate_code().object;
  });
}

}  // namespace mslc
