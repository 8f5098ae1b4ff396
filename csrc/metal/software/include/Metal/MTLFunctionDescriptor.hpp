#pragma once

#include "Metal/MTLFunctionConstantValues.hpp"

namespace MTL {

using FunctionOptions = NS::UInteger;
enum : FunctionOptions { FunctionOptionNone = 0, FunctionOptionCompileToBinary = 1 };

class FunctionDescriptor : public NS::Copying<FunctionDescriptor> {
 public:
  static FunctionDescriptor* alloc();
  static FunctionDescriptor* functionDescriptor();
  FunctionDescriptor* init() { return this; }

  NS::String* name() const { return name_.get(); }
  void setName(const NS::String* name);
  /// The name that the function gets; its own if null.
  NS::String* specializedName() const { return specialized_name_.get(); }
  void setSpecializedName(const NS::String* specializedName);
  FunctionConstantValues* constantValues() const { return constants_.get(); }
  void setConstantValues(const FunctionConstantValues* constantValues);
  FunctionOptions options() const { return options_; }
  void setOptions(FunctionOptions options) { options_ = options; }

 protected:
  NS::Object* newCopy() const override;

 private:
  NS::SharedPtr<NS::String> name_, specialized_name_;
  NS::SharedPtr<FunctionConstantValues> constants_;
  FunctionOptions options_ = FunctionOptionNone;
};

}  // namespace MTL
