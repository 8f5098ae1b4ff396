#include "codegen/kernel_module.h"

#include <llvm/ADT/SetVector.h>
#include <llvm/IR/AttributeMask.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/ReplaceConstant.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include <cstring>
#include <optional>

namespace mslc {

namespace {

using GlobalSet = llvm::SmallSetVector<const llvm::GlobalValue*, 32>;

constexpr llvm::StringLiteral kAnnotations = "llvm.global.annotations";
constexpr llvm::StringLiteral kThreadgroupMetadata = "msl.threadgroup";

void add_globals_of(const llvm::Value* value, GlobalSet& globals) {
  if (auto* global = llvm::dyn_cast<llvm::GlobalValue>(value))
    globals.insert(global);
  else if (auto* constant = llvm::dyn_cast<llvm::Constant>(value))
    for (const llvm::Use& operand : constant->operands()) add_globals_of(operand, globals);
}

/// Everything that the roots refer to, directly or not.
GlobalSet reachable_from(std::initializer_list<const llvm::GlobalValue*> roots) {
  GlobalSet globals;
  for (const llvm::GlobalValue* root : roots)
    if (root) globals.insert(root);
  for (size_t i = 0; i < globals.size(); ++i) {
    if (auto* variable = llvm::dyn_cast<llvm::GlobalVariable>(globals[i])) {
      if (variable->hasInitializer()) add_globals_of(variable->getInitializer(), globals);
    } else if (auto* function = llvm::dyn_cast<llvm::Function>(globals[i])) {
      for (const llvm::Instruction& instruction : llvm::instructions(*function))
        for (const llvm::Use& operand : instruction.operands()) add_globals_of(operand, globals);
    }
  }
  return globals;
}

/// Calls `visit` with each annotated variable and the text of its annotation.
template <class Visit>
void for_each_annotation(const llvm::Module& module, Visit visit) {
  const llvm::GlobalVariable* list = module.getGlobalVariable(kAnnotations);
  if (!list || !list->hasInitializer()) return;
  for (const llvm::Use& entry : list->getInitializer()->operands()) {
    auto* fields = llvm::dyn_cast<llvm::ConstantStruct>(entry);
    if (!fields) continue;
    auto* variable = llvm::dyn_cast<llvm::GlobalVariable>(fields->getOperand(0)->stripPointerCasts());
    auto* text = llvm::dyn_cast<llvm::GlobalVariable>(fields->getOperand(1)->stripPointerCasts());
    if (!variable || !text) continue;
    if (auto* data = llvm::dyn_cast<llvm::ConstantDataArray>(text->getInitializer()))
      visit(*variable, data->getAsCString());
  }
}

/// The index in "<name>(<index>)".
std::optional<unsigned> annotation_index(llvm::StringRef annotation, llvm::StringRef name) {
  unsigned index;
  if (!annotation.consume_front(name) || !annotation.consume_front("(") || !annotation.consume_back(")")) return {};
  if (annotation.getAsInteger(10, index)) return {};
  return index;
}

llvm::Constant* constant_from_bytes(llvm::Type* type, llvm::ArrayRef<uint8_t> bytes, const llvm::DataLayout& layout) {
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type)) {
    llvm::SmallVector<llvm::Constant*, 4> elements;
    size_t size = layout.getTypeStoreSize(vector->getElementType());
    for (unsigned i = 0; i < vector->getNumElements(); ++i)
      elements.push_back(constant_from_bytes(vector->getElementType(), bytes.slice(i * size), layout));
    return llvm::ConstantVector::get(elements);
  }
  uint64_t bits = 0;
  std::memcpy(&bits, bytes.data(), std::min<size_t>(bytes.size(), layout.getTypeStoreSize(type)));
  unsigned width = layout.getTypeSizeInBits(type);
  llvm::APInt value = llvm::APInt(64, bits).trunc(width);
  llvm::Constant* integer = llvm::ConstantInt::get(type->getContext(), value);
  return type->isIntegerTy() ? integer : llvm::ConstantExpr::getBitCast(integer, type);
}

void set_constant(llvm::GlobalVariable& variable, llvm::ArrayRef<uint8_t> bytes, unsigned index) {
  const llvm::DataLayout& layout = variable.getParent()->getDataLayout();
  llvm::Type* type = variable.getValueType();
  if (type->isAggregateType() || bytes.size() < layout.getTypeStoreSize(type))
    throw CompileError("function constant " + std::to_string(index) + ": value of " + std::to_string(bytes.size()) +
                       " bytes for a type of " + std::to_string(layout.getTypeStoreSize(type)));
  variable.setInitializer(constant_from_bytes(type, bytes, layout));
}

void set_function_constant(llvm::GlobalVariable& variable, llvm::StringRef annotation, const ConstantValues& constants) {
  auto fix = [&] {
    variable.setConstant(true);
    variable.setExternallyInitialized(false);
    variable.setLinkage(llvm::GlobalValue::InternalLinkage);
  };
  if (auto index = annotation_index(annotation, "msl:function_constant_defined")) {
    variable.setInitializer(llvm::ConstantInt::get(variable.getValueType(), constants.contains(*index)));
    fix();
  } else if (auto index = annotation_index(annotation, "msl:function_constant")) {
    auto value = constants.find(*index);
    if (value != constants.end())
      set_constant(variable, value->second, *index);
    else
      variable.setInitializer(llvm::Constant::getNullValue(variable.getValueType()));
    fix();
  }
}

/// Without a definition, optimisations cannot take the variable for one that a single function owns.
void mark_threadgroup(llvm::GlobalVariable& variable) {
  variable.setMetadata(kThreadgroupMetadata, llvm::MDNode::get(variable.getContext(), {}));
  variable.setLinkage(llvm::GlobalValue::ExternalLinkage);
  variable.setInitializer(nullptr);
  variable.setComdat(nullptr);
}

/// Leaves to the target machine what to generate code for, and to the inliner no choice.
void reset_attributes(llvm::Function& function) {
  function.setAttributes(function.getAttributes().removeFnAttributes(
      function.getContext(),
      llvm::AttributeMask()
          .addAttribute("target-cpu").addAttribute("target-features").addAttribute("tune-cpu")
          .addAttribute("min-legal-vector-width").addAttribute("prefer-vector-width").addAttribute("frame-pointer")
          .addAttribute("stack-protector-buffer-size").addAttribute("no-trapping-math").addAttribute("probe-stack")
          .addAttribute(llvm::Attribute::NoInline).addAttribute(llvm::Attribute::OptimizeNone)
          .addAttribute(llvm::Attribute::UWTable).addAttribute(llvm::Attribute::StackProtect)
          .addAttribute(llvm::Attribute::StackProtectStrong).addAttribute(llvm::Attribute::OptimizeForSize)
          .addAttribute(llvm::Attribute::MinSize)));
  function.setDoesNotThrow();
  if (function.isDeclaration()) return;
  function.setLinkage(llvm::GlobalValue::InternalLinkage);
  function.setVisibility(llvm::GlobalValue::DefaultVisibility);
  function.setComdat(nullptr);
  function.addFnAttr(llvm::Attribute::AlwaysInline);
}

}  // namespace

std::unique_ptr<llvm::Module> extract_kernel(const llvm::Module& source, const std::string& ir_function,
                                             const ConstantValues& constants) {
  const llvm::Function* kernel = source.getFunction(ir_function);
  if (!kernel || kernel->isDeclaration()) throw CompileError("no code for '" + ir_function + "'");
  GlobalSet needed = reachable_from({kernel, source.getGlobalVariable("llvm.global_ctors")});
  llvm::ValueToValueMapTy copies;
  auto module = llvm::CloneModule(source, copies, [&](const llvm::GlobalValue* g) { return needed.contains(g); });

  for_each_annotation(source, [&](const llvm::GlobalVariable& variable, llvm::StringRef annotation) {
    if (!needed.contains(&variable)) return;
    auto* copy = llvm::cast<llvm::GlobalVariable>(copies[&variable]);
    if (annotation == "msl:threadgroup")
      mark_threadgroup(*copy);
    else
      set_function_constant(*copy, annotation, constants);
  });
  for (llvm::StringRef list : {llvm::StringRef(kAnnotations), llvm::StringRef("llvm.used"), llvm::StringRef("llvm.compiler.used")})
    if (llvm::GlobalVariable* variable = module->getGlobalVariable(list)) variable->eraseFromParent();
  for (llvm::Function& function : *module) reset_attributes(function);
  for (llvm::GlobalVariable& variable : module->globals())
    if (!variable.isDeclaration() && !variable.hasAppendingLinkage()) {
      variable.setLinkage(llvm::GlobalValue::InternalLinkage);
      variable.setComdat(nullptr);
    }
  auto* copy = llvm::cast<llvm::Function>(copies[kernel]);
  copy->setLinkage(llvm::GlobalValue::ExternalLinkage);
  copy->removeFnAttr(llvm::Attribute::AlwaysInline);
  return module;
}

uint64_t place_threadgroup_variables(llvm::Function& kernel) {
  llvm::Module& module = *kernel.getParent();
  const llvm::DataLayout& layout = module.getDataLayout();
  llvm::SmallVector<llvm::GlobalVariable*, 8> variables;
  for (llvm::GlobalVariable& variable : module.globals())
    if (variable.hasMetadata(kThreadgroupMetadata) && !variable.use_empty()) variables.push_back(&variable);
  if (variables.empty()) return 0;

  llvm::IRBuilder<> b(&*kernel.getEntryBlock().getFirstInsertionPt());
  auto* type = llvm::FunctionType::get(b.getPtrTy(), false);
  auto callee = module.getOrInsertFunction(kThreadgroupMemory, type);
  auto* function = llvm::cast<llvm::Function>(callee.getCallee());
  function->setDoesNotAccessMemory();
  function->setDoesNotThrow();
  function->setWillReturn();
  function->addRetAttr(llvm::Attribute::NoAlias);
  llvm::Value* memory = b.CreateCall(callee);

  uint64_t size = 0;
  for (llvm::GlobalVariable* variable : variables) {
    llvm::Align align = std::max(layout.getPreferredAlign(variable), llvm::Align(16));
    size = llvm::alignTo(size, align);
    llvm::Value* address = b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), memory, size, variable->getName());
    size += layout.getTypeAllocSize(variable->getValueType());
    llvm::convertUsersOfConstantsToInstructions({variable});
    variable->replaceAllUsesWith(address);
    variable->eraseFromParent();
  }
  return llvm::alignTo(size, 64);
}

}  // namespace mslc
