#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "Foundation/Foundation.hpp"
#include "Metal/MTLDataType.hpp"

namespace MTL {

class Library;

class FunctionConstantValues : public NS::Copying<FunctionConstantValues> {
 public:
  static FunctionConstantValues* alloc();
  FunctionConstantValues* init() { return this; }
  void reset();

  /// Copies one value of `type`. The type must be a scalar or vector.
  void setConstantValue(const void* value, DataType type, NS::UInteger index);
  void setConstantValue(const void* value, DataType type, const NS::String* name);
  /// Copies range.length values, packed one after the other.
  void setConstantValues(const void* values, DataType type, NS::Range range);

 protected:
  NS::Object* newCopy() const override;

 private:
  friend class Library;
  using Bytes = std::vector<uint8_t>;
  std::map<unsigned, Bytes> by_index_;
  std::map<std::string, Bytes> by_name_;
};

}  // namespace MTL
