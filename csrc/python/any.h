// Dicts and lists whose values have several types, as IValues know them.
#pragma once

#include <ATen/core/jit_type.h>

#include <vector>

namespace torch_metal {

/// A dict from str to anything, empty.
inline c10::impl::GenericDict any_dict() {
  return c10::impl::GenericDict(c10::StringType::get(), c10::AnyType::get());
}

/// A list of anything.
inline c10::impl::GenericList any_list(const std::vector<c10::IValue>& values) {
  c10::impl::GenericList result(c10::AnyType::get());
  for (const c10::IValue& value : values) result.push_back(value);
  return result;
}

}  // namespace torch_metal
