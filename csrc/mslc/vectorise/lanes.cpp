#include "vectorise/lanes.h"

#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>

namespace mslc {

llvm::StringRef builtin_name(const llvm::Value* value) {
  const auto* call = llvm::dyn_cast<llvm::CallBase>(value);
  const llvm::Function* callee = call ? call->getCalledFunction() : nullptr;
  return callee && callee->getName().starts_with("__msl_") ? callee->getName() : llvm::StringRef();
}

ElementKind element_kind(llvm::StringRef builtin) {
  llvm::StringRef type = builtin.rsplit('_').second;
  return {type.starts_with("f") || type.starts_with("b"), type.starts_with("i")};
}

std::string describe(const llvm::Value& value) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  value.print(stream);
  return llvm::StringRef(stream.str()).trim().str();
}

llvm::Value* part_of(llvm::IRBuilder<>& b, llvm::Value* vector, unsigned part) {
  llvm::SmallVector<int, kLanes / 2> from;
  for (unsigned i = 0; i < kLanes / 2; ++i) from.push_back(part * kLanes / 2 + i);
  return b.CreateShuffleVector(vector, from);
}

llvm::Function* add_helper(llvm::Module& module, llvm::FunctionType* type, const llvm::Twine& name) {
  auto* function = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, name, module);
  function->setDoesNotThrow();
  function->addFnAttr(llvm::Attribute::NoInline);
  function->setCallingConv(llvm::CallingConv::Fast);
  return function;
}

}  // namespace mslc
