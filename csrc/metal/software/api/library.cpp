// CompileOptions, FunctionConstantValues, FunctionDescriptor, Library and Function.
#include <Metal/Metal.hpp>

#include <algorithm>

#include "api/data_type.h"
#include "api/objects.h"
#include "execution/faults.h"
#include "execution/text.h"
#include "mslc/mslc.h"

namespace MTL {

using metal_software::assign_copy;
using metal_software::concat;
using metal_software::library_error_domain;
using metal_software::report;

CompileOptions* CompileOptions::alloc() { return new CompileOptions; }

void CompileOptions::setPreprocessorMacros(const NS::Dictionary* preprocessorMacros) {
  assign_copy(macros_, preprocessorMacros);
}

NS::Object* CompileOptions::newCopy() const {
  auto* const copy = alloc();
  copy->math_mode_ = math_mode_;
  copy->functions_ = functions_;
  copy->version_ = version_;
  copy->level_ = level_;
  copy->max_threads_ = max_threads_;
  copy->macros_ = macros_;
  return copy;
}

FunctionConstantValues* FunctionConstantValues::alloc() { return new FunctionConstantValues; }

void FunctionConstantValues::reset() {
  by_index_.clear();
  by_name_.clear();
}

void FunctionConstantValues::setConstantValue(const void* value, DataType type, NS::UInteger index) {
  setConstantValues(value, type, NS::Range(index, 1));
}

void FunctionConstantValues::setConstantValue(const void* value, DataType type, const NS::String* name) {
  const auto* const bytes = static_cast<const uint8_t*>(value);
  by_name_[name->utf8String()].assign(bytes, bytes + metal_software::size_of(type));
}

void FunctionConstantValues::setConstantValues(const void* values, DataType type, NS::Range range) {
  const size_t size = metal_software::size_of(type);
  const auto* bytes = static_cast<const uint8_t*>(values);
  for (NS::UInteger index = range.location; index < range.Max(); ++index, bytes += size)
    by_index_[index].assign(bytes, bytes + size);
}

NS::Object* FunctionConstantValues::newCopy() const {
  auto* const copy = alloc();
  copy->by_index_ = by_index_;
  copy->by_name_ = by_name_;
  return copy;
}

FunctionDescriptor* FunctionDescriptor::alloc() { return new FunctionDescriptor; }

FunctionDescriptor* FunctionDescriptor::functionDescriptor() { return alloc()->init()->autorelease(); }

void FunctionDescriptor::setName(const NS::String* name) { assign_copy(name_, name); }

void FunctionDescriptor::setSpecializedName(const NS::String* specializedName) {
  assign_copy(specialized_name_, specializedName);
}

void FunctionDescriptor::setConstantValues(const FunctionConstantValues* constantValues) {
  assign_copy(constants_, constantValues);
}

NS::Object* FunctionDescriptor::newCopy() const {
  auto* const copy = alloc();
  copy->name_ = name_;
  copy->specialized_name_ = specialized_name_;
  assign_copy(copy->constants_, constants_.get());
  copy->options_ = options_;
  return copy;
}

FunctionConstant::FunctionConstant(const mslc::FunctionConstant& constant)
    : name_(NS::RetainPtr(metal_software::make_string(constant.name))),
      type_(metal_software::element_type(constant.type)),
      index_(constant.index) {}

NS::Dictionary* Function::functionConstantsDictionary() const {
  std::vector<NS::SharedPtr<FunctionConstant>> owned;
  std::vector<const NS::Object*> names, constants;
  for (const mslc::FunctionConstant& constant : library_->function_constants()) {
    owned.push_back(NS::TransferPtr(new FunctionConstant(constant)));
    names.push_back(owned.back()->name());
    constants.push_back(owned.back().get());
  }
  return NS::Dictionary::dictionary(constants.data(), names.data(), names.size());
}

void Function::setLabel(const NS::String* label) { assign_copy(label_, label); }

void Library::setLabel(const NS::String* label) { assign_copy(label_, label); }

NS::Array* Library::functionNames() const {
  std::vector<const NS::Object*> names;
  for (const mslc::KernelInfo& kernel : library_->kernels()) names.push_back(metal_software::make_string(kernel.name));
  return NS::Array::array(names.data(), names.size());
}

Function* Library::newFunction(const NS::String* functionName) { return newFunction(functionName, nullptr, nullptr); }

Function* Library::newFunction(const NS::String* name, const FunctionConstantValues* constantValues,
                               NS::Error** error) {
  if (metal_software::fails(metal_software::Place::new_function))
    return report(error, library_error_domain(), LibraryErrorInternal, "Compiler encountered an internal error");
  const std::string kernel = name->utf8String();
  const auto& kernels = library_->kernels();
  if (std::none_of(kernels.begin(), kernels.end(), [&](const auto& info) { return info.name == kernel; }))
    return report(error, library_error_domain(), LibraryErrorFunctionNotFound,
                  concat("the library has no kernel named '", kernel, "'"));
  auto* const function = new Function;
  function->name_ = NS::TransferPtr(name->copy());
  function->library_ = library_;
  function->kernel_ = kernel;
  if (!constantValues) return function;
  function->constants_ = constantValues->by_index_;
  for (const mslc::FunctionConstant& constant : library_->function_constants()) {
    const auto value = constantValues->by_name_.find(constant.name);
    if (value != constantValues->by_name_.end()) function->constants_[constant.index] = value->second;
  }
  return function;
}

Function* Library::newFunction(const FunctionDescriptor* descriptor, NS::Error** error) {
  Function* const function = newFunction(descriptor->name(), descriptor->constantValues(), error);
  if (function && descriptor->specializedName()) assign_copy(function->name_, descriptor->specializedName());
  return function;
}

}  // namespace MTL
