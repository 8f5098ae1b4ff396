#include "front/finish_module.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/Instructions.h>

namespace mslc {

namespace {

constexpr char kAnnotations[] = "llvm.global.annotations";

// A row of llvm.global.annotations: variable, text, file, line, arguments.
llvm::Constant* annotation_row(llvm::Module& module, llvm::GlobalVariable& variable, const std::string& text) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Constant* characters = llvm::ConstantDataArray::getString(context, text);
  auto* name = new llvm::GlobalVariable(module, characters->getType(), /*isConstant=*/true,
                                        llvm::GlobalValue::PrivateLinkage, characters, ".msl.annotation");
  name->setSection("llvm.metadata");
  llvm::Constant* none = llvm::ConstantPointerNull::get(llvm::PointerType::get(context, 0));
  llvm::Constant* line = llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), 0);
  return llvm::ConstantStruct::getAnon({&variable, name, none, line, none});
}

llvm::StringRef annotation_text(const llvm::Constant& row) {
  const auto* name = llvm::dyn_cast<llvm::GlobalVariable>(row.getOperand(1)->stripPointerCasts());
  const auto* text = name ? llvm::dyn_cast<llvm::ConstantDataArray>(name->getInitializer()) : nullptr;
  return text ? text->getAsCString() : llvm::StringRef();
}

// Empties the table of annotations; returns its rows about threadgroup variables.
std::vector<llvm::Constant*> take_threadgroup_rows(llvm::Module& module) {
  std::vector<llvm::Constant*> rows;
  llvm::GlobalVariable* table = module.getGlobalVariable(kAnnotations);
  if (!table) return rows;
  for (llvm::Use& use : table->getInitializer()->operands()) {
    auto* row = llvm::cast<llvm::Constant>(use);
    if (llvm::isa<llvm::GlobalVariable>(row->getOperand(0)) && annotation_text(*row) == "msl:threadgroup") rows.push_back(row);
  }
  table->eraseFromParent();
  return rows;
}

void write_annotation_rows(llvm::Module& module, const std::vector<llvm::Constant*>& rows) {
  if (rows.empty()) return;
  auto* type = llvm::ArrayType::get(rows.front()->getType(), rows.size());
  auto* table = new llvm::GlobalVariable(module, type, /*isConstant=*/false, llvm::GlobalValue::AppendingLinkage,
                                         llvm::ConstantArray::get(type, rows), kAnnotations);
  table->setSection("llvm.metadata");
}

// The declaration of a function constant becomes a definition whose value comes later.
void define_constant(llvm::Module& module, const std::string& name, const std::string& annotation,
                     std::vector<llvm::Constant*>& rows) {
  llvm::GlobalVariable* variable = module.getGlobalVariable(name, /*AllowInternal=*/true);
  if (!variable) return;  // never used
  variable->setInitializer(llvm::Constant::getNullValue(variable->getValueType()));
  variable->setLinkage(llvm::GlobalValue::InternalLinkage);
  variable->setExternallyInitialized(true);
  variable->setDSOLocal(true);
  rows.push_back(annotation_row(module, *variable, annotation));
}

// Parameters' annotations have been read; clang repeats them in each body.
void erase_variable_annotations(llvm::Module& module) {
  for (llvm::Function& function : llvm::make_early_inc_range(module)) {
    if (!function.getName().starts_with("llvm.var.annotation")) continue;
    for (llvm::User* call : llvm::make_early_inc_range(function.users())) llvm::cast<llvm::Instruction>(call)->eraseFromParent();
    function.eraseFromParent();
  }
}

void erase_unused_metadata_strings(llvm::Module& module) {
  for (llvm::GlobalVariable& variable : llvm::make_early_inc_range(module.globals())) {
    if (variable.hasPrivateLinkage() && variable.use_empty()) variable.eraseFromParent();
  }
}

// What concerns the target is chosen when code is made.
void make_target_independent(llvm::Module& module) {
  for (llvm::Function& function : module) {
    for (const char* attribute : {"target-cpu", "target-features", "tune-cpu", "min-legal-vector-width"}) {
      function.removeFnAttr(attribute);
    }
    if (function.getCallingConv() == llvm::CallingConv::SPIR_KERNEL) {
      function.setCallingConv(llvm::CallingConv::C);
    }
  }
}

}  // namespace

void finish_module(llvm::Module& module, const Reflection& reflection) {
  std::vector<llvm::Constant*> rows = take_threadgroup_rows(module);
  for (llvm::Constant* row : rows) {
    auto* variable = llvm::cast<llvm::GlobalVariable>(row->getOperand(0));
    variable->setComdat(nullptr);
    variable->setLinkage(llvm::GlobalValue::InternalLinkage);
  }
  for (const ReflectedConstant& constant : reflection.constants) {
    const std::string index = "(" + std::to_string(constant.info.index) + ")";
    define_constant(module, constant.value_name, "msl:function_constant" + index, rows);
    define_constant(module, constant.defined_name, "msl:function_constant_defined" + index, rows);
  }
  write_annotation_rows(module, rows);
  erase_variable_annotations(module);
  erase_unused_metadata_strings(module);
  make_target_independent(module);
}

}  // namespace mslc
