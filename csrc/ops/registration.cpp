#include "ops/registration.h"

namespace torch_metal::detail {

c10::OperatorHandle find_operator(std::string_view name) {
  const size_t dot = name.find('.');
  const std::string base = "aten::" + std::string(name.substr(0, dot));
  const std::string overload(dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1));
  return c10::Dispatcher::singleton().findSchemaOrThrow(base.c_str(), overload.c_str());
}

}  // namespace torch_metal::detail
