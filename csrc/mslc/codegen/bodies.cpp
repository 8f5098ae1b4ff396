// The per-thread function, and the functions of a SIMD-group that call it.
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include <array>

#include "codegen/dispatch_ir.h"
#include "codegen/entry.h"
#include "codegen/kernel_module.h"
#include "executor/abi.h"
#include "vectorise/lanes.h"

namespace mslc {

namespace {

using Builder = llvm::IRBuilder<>;
using Components = std::array<llvm::Value*, 3>;  // null beyond the first for what has one component

/// How a built-in is declared: "ushort3" is 3 components of 16 bits.
struct BuiltInType {
  unsigned components = 1;
  unsigned bits = 32;
};

BuiltInType parse_built_in_type(llvm::StringRef text) {
  BuiltInType type;
  if (text.contains("short") || text.contains("16")) type.bits = 16;
  if (text.contains("long") || text.contains("64")) type.bits = 64;
  text = text.rtrim(" >&");
  bool is_vector = text.contains("vec<") || !text.ends_with("_t");
  if (is_vector && (text.ends_with("2") || text.ends_with("3"))) type.components = text.back() - '0';
  if (text == "uint32" || text == "int32") type.components = 1;
  return type;
}

bool is_constant_memory(const Argument& argument) { return llvm::StringRef(argument.type).contains("constant"); }

/// Bytes that a reference must have behind it.
uint64_t referenced_bytes(const Argument& argument) {
  return llvm::StringRef(argument.type).contains('&') ? argument.size : 0;
}

/// What the attributes of built-in arguments stand for, in a body.
class BuiltIns {
 public:
  BuiltIns(Builder& b, llvm::Function* body, bool full) : b_(b), body_(body), full_(full), reader_(b, argument(kDispatch)) {
    auto lane = body->getParent()->getOrInsertFunction("__msl_lane", llvm::FunctionType::get(b.getInt32Ty(), false));
    lane_ = b.CreateCall(lane);
    index_ = b.CreateAdd(b.CreateShl(simdgroup(), 5), lane_);
  }

  llvm::Value* argument(BodyParameter parameter) const { return body_->getArg(parameter); }
  llvm::Value* simdgroup() const { return argument(kSimdgroup); }
  llvm::Value* index() const { return index_; }
  llvm::Value* threads_in_group() { return product({argument(kSizeX), argument(kSizeY), argument(kSizeZ)}); }
  llvm::Value* simdgroups() { return quotient_up(threads_in_group(), 32); }

  /// Throws CompileError for an attribute that there is not.
  Components value(llvm::StringRef attribute) {
    auto triple = [](auto component) { return Components{component(0), component(1), component(2)}; };
    auto size = [&](unsigned d) { return argument(static_cast<BodyParameter>(kSizeX + d)); };
    auto group = [&](unsigned d) { return argument(static_cast<BodyParameter>(kGroupX + d)); };
    auto full_size = [&] { return product({reader_.threads(0), reader_.threads(1), reader_.threads(2)}); };
    if (attribute == "thread_position_in_grid") return position_in_grid();
    if (attribute == "thread_position_in_threadgroup") return position_in_group();
    if (attribute == "thread_index_in_threadgroup") return {index_};
    if (attribute == "threadgroup_position_in_grid") return triple(group);
    if (attribute == "threads_per_grid") return triple([&](unsigned d) { return reader_.grid(d); });
    if (attribute == "threadgroups_per_grid") return triple([&](unsigned d) { return reader_.groups(d); });
    if (attribute == "threads_per_threadgroup") return triple(size);
    if (attribute == "dispatch_threads_per_threadgroup") return triple([&](unsigned d) { return reader_.threads(d); });
    if (attribute == "grid_origin") return triple([&](unsigned) { return b_.getInt32(0); });
    if (attribute == "thread_index_in_simdgroup") return {lane_};
    if (attribute == "simdgroup_index_in_threadgroup") return {simdgroup()};
    if (attribute == "threads_per_simdgroup" || attribute == "thread_execution_width") return {b_.getInt32(kLanes)};
    if (attribute == "simdgroups_per_threadgroup") return {simdgroups()};
    if (attribute == "dispatch_simdgroups_per_threadgroup") return {quotient_up(full_size(), 32)};
    if (attribute == "thread_index_in_quadgroup") return {b_.CreateAnd(lane_, 3)};
    if (attribute == "quadgroup_index_in_threadgroup") return {b_.CreateLShr(index_, 2)};
    if (attribute == "quadgroups_per_threadgroup") return {quotient_up(threads_in_group(), 4)};
    if (attribute == "dispatch_quadgroups_per_threadgroup") return {quotient_up(full_size(), 4)};
    throw CompileError("unknown attribute [[" + attribute.str() + "]]");
  }

 private:
  llvm::Value* product(Components v) { return b_.CreateMul(b_.CreateMul(v[0], v[1]), v[2]); }
  llvm::Value* quotient_up(llvm::Value* v, unsigned divisor) {
    return b_.CreateUDiv(b_.CreateAdd(v, b_.getInt32(divisor - 1)), b_.getInt32(divisor));
  }

  Components position_in_group() {
    if (full_) return {b_.CreateAdd(b_.CreateShl(argument(kBlockX), 5), lane_), argument(kThreadY), argument(kThreadZ)};
    auto [row, x] = divide(index_, argument(kSizeX));
    auto [z, y] = divide(row, argument(kSizeY));
    return {x, y, z};
  }

  // Indices are below 1024 + 32: multiplying by 2^21 / divisor, rounded up, gives the exact quotient after the shift,
  // since index * divisor < 2^21, and the product stays below 2^32.
  std::pair<llvm::Value*, llvm::Value*> divide(llvm::Value* index, llvm::Value* divisor) {
    constexpr unsigned kShift = 21;
    llvm::Value* sum = b_.CreateAdd(b_.getInt32((1u << kShift) - 1), divisor);
    llvm::Value* quotient = b_.CreateLShr(b_.CreateMul(index, b_.CreateUDiv(sum, divisor)), kShift);
    return {quotient, b_.CreateSub(index, b_.CreateMul(quotient, divisor))};
  }

  Components position_in_grid() {
    Components in_group = position_in_group(), position;
    for (unsigned d = 0; d < 3; ++d) {
      llvm::Value* start = b_.CreateMul(argument(static_cast<BodyParameter>(kGroupX + d)), reader_.threads(d));
      position[d] = b_.CreateAdd(start, in_group[d]);
    }
    // Said so that it is seen not to wrap between lanes.
    if (full_) position[0] = b_.CreateAdd(argument(kGridX), lane_);
    return position;
  }

  Builder& b_;
  llvm::Function* body_;
  bool full_;
  DispatchReader reader_;
  llvm::Value* lane_;
  llvm::Value* index_;
};

llvm::Function* create_body(llvm::Module& module, llvm::StringRef name, bool full) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* pointer = llvm::PointerType::get(context, 0);
  llvm::Type* word = llvm::Type::getInt32Ty(context);
  llvm::SmallVector<llvm::Type*, kFullParameters> types(full ? kFullParameters : kGeneralParameters, word);
  for (unsigned p : {kDispatch, kMemory, kRing}) types[p] = pointer;
  auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), types, false);
  auto* body = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, name, module);
  body->setDoesNotThrow();
  body->addParamAttr(kMemory, llvm::Attribute::NoAlias);
  body->addParamAttr(kDispatch, llvm::Attribute::ReadOnly);
  auto limit = [&](unsigned parameter, uint64_t end) {
    llvm::ConstantRange range(llvm::APInt(32, 0), llvm::APInt(32, end));
    body->addParamAttr(parameter, llvm::Attribute::get(context, llvm::Attribute::Range, range));
  };
  for (unsigned p : {kSizeX, kSizeY, kSizeZ}) limit(p, kMaxThreadsPerThreadgroup + 1);
  limit(kSimdgroup, kMaxThreadsPerThreadgroup / kLanes);
  if (full) {
    limit(kBlockX, kMaxThreadsPerThreadgroup / kLanes);
    // The grid has at most 2^31 threads along x, and 32 of them start here.
    limit(kGridX, (uint64_t(1) << 31) - kLanes + 1);
  }
  return body;
}

/// Arguments of the thread function in a body.
llvm::SmallVector<llvm::Value*, 8> thread_arguments(Builder& b, BuiltIns& built_ins, const KernelInfo& info) {
  DispatchReader reader(b, built_ins.argument(kDispatch));
  llvm::SmallVector<llvm::Value*, 8> values;
  for (const Argument& argument : info.arguments) {
    if (argument.kind == ArgumentKind::Buffer) {
      values.push_back(reader.buffer(argument.index, referenced_bytes(argument)));
    } else if (argument.kind == ArgumentKind::ThreadgroupMemory) {
      llvm::Value* offset = reader.threadgroup_offset(argument.index);
      values.push_back(b.CreateInBoundsGEP(b.getInt8Ty(), built_ins.argument(kMemory), offset));
    } else {
      BuiltInType type = parse_built_in_type(argument.type);
      Components components = built_ins.value(argument.attribute);
      for (unsigned i = 0; i < type.components; ++i) {
        llvm::Value* component = components[i] ? components[i] : b.getInt32(0);
        values.push_back(b.CreateZExtOrTrunc(component, b.getIntNTy(type.bits)));
      }
    }
  }
  return values;
}

void replace_calls(llvm::Function& body, llvm::StringRef name, llvm::Value* value) {
  for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(body))) {
    auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction);
    if (!call || !call->getCalledFunction() || call->getCalledFunction()->getName() != name) continue;
    call->replaceAllUsesWith(value);
    call->eraseFromParent();
  }
}

void fill_body(llvm::Function* body, bool full, llvm::Function& thread, const KernelInfo& info) {
  llvm::LLVMContext& context = body->getContext();
  Builder b(llvm::BasicBlock::Create(context, "entry", body));
  BuiltIns built_ins(b, body, full);
  auto arguments = thread_arguments(b, built_ins, info);
  llvm::Value* simdgroups = built_ins.simdgroups();
  auto* end = llvm::BasicBlock::Create(context, "end", body);
  if (!full) {
    auto* active = llvm::BasicBlock::Create(context, "active", body, end);
    b.CreateCondBr(b.CreateICmpULT(built_ins.index(), built_ins.threads_in_group()), active, end);
    b.SetInsertPoint(active);
  }
  llvm::CallInst* call = b.CreateCall(&thread, arguments);
  b.CreateBr(end);
  b.SetInsertPoint(end);
  b.CreateRetVoid();

  llvm::InlineFunctionInfo inlining;
  llvm::InlineResult inlined = llvm::InlineFunction(*call, inlining);
  if (!inlined.isSuccess()) throw CompileError(std::string("cannot inline: ") + inlined.getFailureReason());
  replace_calls(*body, kThreadgroupMemory, built_ins.argument(kMemory));
  replace_calls(*body, "__msl_simdgroup_index", built_ins.simdgroup());
  replace_calls(*body, "__msl_simdgroups", simdgroups);
}

}  // namespace

llvm::Function* create_thread_function(llvm::Function& kernel, const KernelInfo& info) {
  llvm::Module& module = *kernel.getParent();
  llvm::LLVMContext& context = module.getContext();
  if (kernel.arg_size() != info.arguments.size())
    throw CompileError("the signature has " + std::to_string(info.arguments.size()) + " arguments, the code has " +
                       std::to_string(kernel.arg_size()));
  llvm::SmallVector<llvm::Type*, 8> types;
  for (const Argument& argument : info.arguments) {
    bool is_built_in = argument.kind == ArgumentKind::BuiltIn;
    BuiltInType type = parse_built_in_type(argument.type);
    llvm::Type* pointer = llvm::PointerType::get(context, 0);
    types.append(is_built_in ? type.components : 1, is_built_in ? llvm::Type::getIntNTy(context, type.bits) : pointer);
  }
  auto* function_type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), types, false);
  auto* thread = llvm::Function::Create(function_type, llvm::GlobalValue::ExternalLinkage, "mslc.thread", module);
  thread->setDoesNotThrow();

  Builder b(llvm::BasicBlock::Create(context, "entry", thread));
  llvm::SmallVector<llvm::Value*, 8> arguments;
  unsigned next = 0;
  for (auto [argument, parameter] : llvm::zip(info.arguments, kernel.args())) {
    if (argument.kind != ArgumentKind::BuiltIn) {
      if (is_constant_memory(argument)) {
        thread->addParamAttr(next, llvm::Attribute::NoAlias);
        thread->addParamAttr(next, llvm::Attribute::ReadOnly);
      }
      if (uint64_t bytes = referenced_bytes(argument)) thread->addDereferenceableParamAttr(next, bytes);
      arguments.push_back(thread->getArg(next++));
      continue;
    }
    // Through memory, which every ABI's idea of the type fits; it becomes registers again.
    unsigned components = parse_built_in_type(argument.type).components;
    llvm::Type* element = thread->getArg(next)->getType();
    llvm::AllocaInst* value = b.CreateAlloca(b.getInt64Ty(), b.getInt32(4));
    value->setAlignment(llvm::Align(32));
    for (unsigned i = 0; i < components; ++i)
      b.CreateStore(thread->getArg(next++), b.CreateConstInBoundsGEP1_64(element, value, i));
    arguments.push_back(b.CreateLoad(parameter.getType(), value));
  }
  b.CreateCall(&kernel, arguments);
  b.CreateRetVoid();
  kernel.setLinkage(llvm::GlobalValue::InternalLinkage);
  kernel.addFnAttr(llvm::Attribute::AlwaysInline);
  return thread;
}

void mark_invariant_loads(llvm::Function& thread) {
  for (llvm::Instruction& instruction : llvm::instructions(thread)) {
    auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction);
    if (!load || load->isVolatile() || load->isAtomic()) continue;
    auto* argument = llvm::dyn_cast<llvm::Argument>(llvm::getUnderlyingObject(load->getPointerOperand()));
    if (argument && argument->hasNoAliasAttr() && argument->onlyReadsMemory())
      load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(thread.getContext(), {}));
  }
}

SimdgroupBodies create_bodies(llvm::Function& thread, const KernelInfo& info) {
  llvm::Module& module = *thread.getParent();
  SimdgroupBodies bodies{create_body(module, "mslc.full", true), create_body(module, "mslc.general", false)};
  fill_body(bodies.full, true, thread, info);
  fill_body(bodies.general, false, thread, info);
  thread.eraseFromParent();
  return bodies;
}

bool lower_barriers(llvm::Function& body) {
  llvm::Module& module = *body.getParent();
  bool found = false;
  for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(body))) {
    if (builtin_name(&instruction) != "__msl_threadgroup_barrier") continue;
    Builder b(&instruction);
    auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false);
    b.CreateCall(module.getOrInsertFunction(kBarrier, type), {body.getArg(kRing)});
    instruction.eraseFromParent();
    found = true;
  }
  return found;
}

}  // namespace mslc
