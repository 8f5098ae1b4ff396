#include "validate/insert_checks.h"

#include <llvm/Analysis/ValueTracking.h>
#include <llvm/Demangle/Demangle.h>
#include <llvm/IR/DebugInfo.h>
#include <llvm/IR/DebugInfoMetadata.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>

#include "front/stdlib_files.h"
#include "vectorise/lanes.h"

namespace mslc {

namespace {

using Builder = llvm::IRBuilder<>;

std::string text_of(const llvm::DILocation& location) {
  return location.getFilename().str() + ":" + std::to_string(location.getLine());
}

/// The user's line that an instruction comes from, and the kernel's line that led there if it is another.
std::string location_of(const llvm::Instruction& instruction) {
  const llvm::DILocation* location = instruction.getDebugLoc();
  auto is_of_user = [](const llvm::DILocation& at) {
    return at.getLine() != 0 && !at.getFilename().starts_with(kStdlibPath);
  };
  while (location && !is_of_user(*location)) location = location->getInlinedAt();
  if (!location) return "an unknown line";
  const llvm::DILocation* outermost = location;
  while (outermost->getInlinedAt()) outermost = outermost->getInlinedAt();
  const std::string inner = text_of(*location), outer = text_of(*outermost);
  return inner == outer || outermost->getLine() == 0 ? inner : inner + " (called at " + outer + ")";
}

/// "tile" of "_ZZ1kPfE4tile".
std::string variable_name(const llvm::GlobalVariable& variable) {
  std::string name = llvm::demangle(variable.getName());
  if (const size_t scope = name.rfind("::"); scope != std::string::npos) name.erase(0, scope + 2);
  return name;
}

class CheckInserter {
 public:
  CheckInserter(llvm::Function& thread, const KernelInfo& info)
      : thread_(thread), module_(*thread.getParent()), layout_(module_.getDataLayout()) {
    unsigned next = 0;
    for (const Argument& argument : info.arguments) {
      if (argument.kind == ArgumentKind::BuiltIn) continue;
      while (!thread.getArg(next)->getType()->isPointerTy()) ++next;
      arguments_[thread.getArg(next++)] = &argument;
    }
  }

  std::vector<CheckSite> run() {
    for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(thread_)))
      if (builtin_name(&instruction).starts_with("__msl_matrix_"))
        spread(llvm::cast<llvm::CallInst>(instruction));
      else if (auto* store = llvm::dyn_cast<llvm::StoreInst>(&instruction))
        split(*store);
    for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(thread_))) check(instruction);
    llvm::StripDebugInfo(module_);
    return std::move(sites_);
  }

 private:
  using Kind = CheckSite::Kind;

  // Each lane loads and stores its own elements: see "Lane layout" in docs/mslc.md.
  void spread(llvm::CallInst& call) {
    llvm::StringRef name = builtin_name(&call);
    bool is_load = name.starts_with("__msl_matrix_load");
    if (!is_load && !name.starts_with("__msl_matrix_store")) return;
    Builder b(&call);
    auto lane_type = llvm::FunctionType::get(b.getInt32Ty(), false);
    llvm::Value* lane = b.CreateCall(module_.getOrInsertFunction("__msl_lane", lane_type));
    auto bits = [&](unsigned shift, unsigned mask) { return b.CreateAnd(b.CreateLShr(lane, shift), mask); };
    llvm::Value* row = b.CreateAdd(b.CreateShl(bits(4, 1), 2), bits(1, 3));
    llvm::Value* column = b.CreateAdd(b.CreateShl(bits(3, 1), 2), b.CreateShl(bits(0, 1), 1));
    column = b.CreateAdd(column, b.CreateZExtOrTrunc(call.getArgOperand(0), b.getInt32Ty()));
    llvm::Value* transpose = b.CreateTrunc(call.getArgOperand(3), b.getInt1Ty());
    llvm::Value* line = b.CreateZExt(b.CreateSelect(transpose, column, row), b.getInt64Ty());
    llvm::Value* place = b.CreateZExt(b.CreateSelect(transpose, row, column), b.getInt64Ty());
    llvm::Value* index = b.CreateAdd(b.CreateMul(line, call.getArgOperand(2)), place);
    llvm::Type* type = is_load ? call.getType() : call.getArgOperand(4)->getType();
    llvm::Value* address = b.CreateGEP(type, call.getArgOperand(1), index);
    if (is_load)
      call.replaceAllUsesWith(b.CreateLoad(type, address));
    else
      b.CreateStore(call.getArgOperand(4), address);
    call.eraseFromParent();
  }

  void split(llvm::StoreInst& store) {
    auto* type = llvm::dyn_cast<llvm::FixedVectorType>(store.getValueOperand()->getType());
    if (!type || layout_.getTypeStoreSize(type) <= kMaxValueBytes || !is_checked(store.getPointerOperand())) return;
    Builder b(&store);
    const uint64_t bytes = layout_.getTypeStoreSize(type->getElementType());
    for (unsigned i = 0; i < type->getNumElements(); ++i) {
      llvm::Value* element = b.CreateExtractElement(store.getValueOperand(), i);
      llvm::Value* address = b.CreateConstGEP1_64(type->getElementType(), store.getPointerOperand(), i);
      b.CreateAlignedStore(element, address, llvm::commonAlignment(store.getAlign(), i * bytes), store.isVolatile());
    }
    store.eraseFromParent();
  }

  void check(llvm::Instruction& instruction) {
    if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) {
      CheckSite site = access(Kind::Read, *load, load->getType(), load->getAlign(), load->isAtomic());
      redirect(*load, load->getPointerOperandIndex(), nullptr, site);
    } else if (auto* store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) {
      llvm::Value* value = store->getValueOperand();
      CheckSite site = access(Kind::Write, *store, value->getType(), store->getAlign(), store->isAtomic());
      redirect(*store, store->getPointerOperandIndex(), value, site);
    } else if (auto* atomic = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction)) {
      CheckSite site = access(Kind::ReadWrite, *atomic, atomic->getType(), atomic->getAlign(), true);
      redirect(*atomic, atomic->getPointerOperandIndex(), nullptr, site);
    } else if (auto* exchange = llvm::dyn_cast<llvm::AtomicCmpXchgInst>(&instruction)) {
      llvm::Type* type = exchange->getCompareOperand()->getType();
      CheckSite site = access(Kind::ReadWrite, *exchange, type, exchange->getAlign(), true);
      redirect(*exchange, exchange->getPointerOperandIndex(), nullptr, site);
    } else if (auto* copy = llvm::dyn_cast<llvm::MemIntrinsic>(&instruction)) {
      check_copy(*copy);
    } else if (llvm::isa<llvm::FenceInst>(instruction)) {
      check_fence(instruction);
    } else if (builtin_name(&instruction) == "__msl_threadgroup_barrier") {
      check_barrier(llvm::cast<llvm::CallInst>(instruction));
    }
  }

  void check_copy(llvm::MemIntrinsic& copy) {
    auto* length = llvm::dyn_cast<llvm::ConstantInt>(copy.getLength());
    if (!length) throw CompileError("a copy of unknown length cannot be validated: " + describe(copy));
    CheckSite site = site_of(copy, Kind::Write);
    site.is_copy = true;
    site.bytes = length->getZExtValue();
    site.alignment = copy.getDestAlign().valueOrOne().value();
    redirect(copy, 0, nullptr, site);
    auto* transfer = llvm::dyn_cast<llvm::MemTransferInst>(&copy);
    if (!transfer) return;
    site.kind = Kind::Read;
    site.alignment = transfer->getSourceAlign().valueOrOne().value();
    redirect(copy, 1, nullptr, site);
  }

  void check_barrier(llvm::CallInst& barrier) {
    Builder b(&barrier);
    CheckSite site = site_of(barrier, Kind::Barrier);
    auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getInt32Ty(), b.getInt32Ty()}, false);
    auto callee = module_.getOrInsertFunction("__msl_check_barrier", type);
    auto* function = llvm::cast<llvm::Function>(callee.getCallee());
    function->addFnAttr(llvm::Attribute::Convergent);
    function->setDoesNotThrow();
    b.CreateCall(callee, {barrier.getArgOperand(0), add(site)});
    barrier.eraseFromParent();
  }

  void check_fence(llvm::Instruction& fence) {
    Builder b(fence.getNextNode());
    auto callee = module_.getOrInsertFunction("__msl_check_fence", llvm::FunctionType::get(b.getVoidTy(), false));
    auto* function = llvm::cast<llvm::Function>(callee.getCallee());
    function->addFnAttr(llvm::Attribute::Convergent);
    function->setDoesNotThrow();
    b.CreateCall(callee);
  }

  static CheckSite site_of(const llvm::Instruction& instruction, Kind kind) {
    CheckSite site;
    site.location = location_of(instruction);
    site.kind = kind;
    return site;
  }

  CheckSite access(Kind kind, const llvm::Instruction& instruction, llvm::Type* type, llvm::Align alignment, bool atomic) {
    CheckSite site = site_of(instruction, kind);
    site.is_atomic = atomic;
    site.bytes = layout_.getTypeStoreSize(type);
    site.alignment = alignment.value();
    return site;
  }

  /// Whether the memory may be other than the thread's own.
  static bool is_checked(const llvm::Value* address) {
    return !llvm::isa<llvm::AllocaInst>(llvm::getUnderlyingObject(address, /*MaxLookup=*/0));
  }

  /// Makes the instruction use the checked form of its address, unless that is private to the thread.
  void redirect(llvm::Instruction& instruction, unsigned operand, llvm::Value* value, CheckSite site) {
    llvm::Value* address = instruction.getOperand(operand);
    if (!is_checked(address) || is_within_constant(address, site.bytes)) return;
    llvm::Value* object = llvm::getUnderlyingObject(address, /*MaxLookup=*/0);
    describe_object(*object, site);
    Builder b(&instruction);
    llvm::Value* start = llvm::ConstantPointerNull::get(b.getPtrTy());
    if (llvm::isa<llvm::GlobalVariable>(object)) start = object;
    instruction.setOperand(operand, b.CreateCall(check_access(), {address, start, bits_of(b, value, site), add(site)}));
  }

  /// A function constant, or an element of a table that is known here.
  bool is_within_constant(const llvm::Value* address, uint64_t bytes) const {
    llvm::APInt offset(64, 0);
    address = address->stripAndAccumulateConstantOffsets(layout_, offset, /*AllowNonInbounds=*/true);
    auto* variable = llvm::dyn_cast<llvm::GlobalVariable>(address);
    if (!variable || variable->isDeclaration()) return false;
    const uint64_t size = layout_.getTypeAllocSize(variable->getValueType());
    return offset.ule(size) && bytes <= size - offset.getZExtValue();
  }

  void describe_object(const llvm::Value& object, CheckSite& site) const {
    if (auto* variable = llvm::dyn_cast<llvm::GlobalVariable>(&object)) {
      site.object = variable->isDeclaration() ? CheckSite::Object::ThreadgroupVariable : CheckSite::Object::Constant;
      site.name = variable_name(*variable);
      site.object_bytes = layout_.getTypeAllocSize(variable->getValueType());
    } else if (const Argument* argument = arguments_.lookup(&object)) {
      bool is_buffer = argument->kind == ArgumentKind::Buffer;
      site.object = is_buffer ? CheckSite::Object::Buffer : CheckSite::Object::ThreadgroupArgument;
      site.name = argument->name;
      site.index = argument->index;
      site.element_bytes = argument->size;
    }
  }

  llvm::Value* bits_of(Builder& b, llvm::Value* value, const CheckSite& site) const {
    if (!value || !site.has_value()) return b.getInt64(0);
    llvm::Type* bits = b.getIntNTy(layout_.getTypeSizeInBits(value->getType()));
    return b.CreateZExt(b.CreateBitOrPointerCast(value, bits), b.getInt64Ty());
  }

  llvm::FunctionCallee check_access() {
    llvm::LLVMContext& context = module_.getContext();
    llvm::Type *pointer = llvm::PointerType::get(context, 0), *word = llvm::Type::getInt32Ty(context);
    llvm::Type* parameters[] = {pointer, pointer, llvm::Type::getInt64Ty(context), word};
    auto callee = module_.getOrInsertFunction("__msl_check_access", llvm::FunctionType::get(pointer, parameters, false));
    auto* function = llvm::cast<llvm::Function>(callee.getCallee());
    function->addFnAttr(llvm::Attribute::Convergent);
    function->setDoesNotThrow();
    function->setOnlyAccessesInaccessibleMemory();
    return callee;
  }

  llvm::Value* add(const CheckSite& site) {
    sites_.push_back(site);
    return llvm::ConstantInt::get(llvm::Type::getInt32Ty(module_.getContext()), sites_.size() - 1);
  }

  llvm::Function& thread_;
  llvm::Module& module_;
  const llvm::DataLayout& layout_;
  llvm::DenseMap<const llvm::Value*, const Argument*> arguments_;
  std::vector<CheckSite> sites_;
};

}  // namespace

std::vector<CheckSite> insert_checks(llvm::Function& thread, const KernelInfo& info) {
  return CheckInserter(thread, info).run();
}

}  // namespace mslc
