// How operators are registered, so that every call is counted and float64 goes to the host by itself.
//
//   TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { METAL_IMPL(m, "mm.out", mm_out); }
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <string_view>

#include "runtime/host_route.h"
#include "runtime/route.h"

namespace torch_metal {

namespace detail {

/// A string literal as a template argument: the operator's name.
template <size_t N>
struct OperatorName {
  char text[N];
  constexpr OperatorName(const char (&s)[N]) { std::copy_n(s, N, text); }
};

inline bool wants_host(const at::Tensor& t) { return needs_host(t); }
inline bool wants_host(const std::optional<at::Tensor>& t) { return t && needs_host(*t); }
inline bool wants_host(at::TensorList list) {
  return std::any_of(list.begin(), list.end(), [](const at::Tensor& t) { return needs_host(t); });
}
inline bool wants_host(const at::ITensorListRef& list) {
  for (const at::Tensor& t : list)
    if (needs_host(t)) return true;
  return false;
}
template <class T>
bool wants_host(const T&) {
  return false;
}

/// The handle of "aten::<name>", looked up once.
c10::OperatorHandle find_operator(std::string_view name);

template <OperatorName name, auto function, class Signature>
struct Operator;

template <OperatorName name, auto function, class R, class... A>
struct Operator<name, function, R (*)(A...)> {
  static R call(A... arguments) {
    OperatorScope scope(name.text);
    if ((wants_host(arguments) || ...)) return on_host(std::forward<A>(arguments)...);
    return function(std::forward<A>(arguments)...);
  }

  // The CPU kernel over the same memory. Reference results are the argument they name.
  static R on_host(A... arguments) {
    static const auto op = find_operator(name.text);
    torch::jit::Stack stack;
    torch::jit::push(stack, arguments...);
    run_on_host(op, &stack, Route::host);
    return result(std::forward<A>(arguments)..., stack);
  }

  template <class... Rest>
  static R result(Rest&&... arguments_and_stack);
};

}  // namespace detail

#define METAL_IMPL(library, name, function) \
  library.impl(name, TORCH_FN((::torch_metal::detail::Operator<name, &function, decltype(&function)>::call)))

/// For a function with overloads: the one whose type is that of at::_ops::<op>.
#define METAL_IMPL_OVERLOAD(library, name, op, function)                                                      \
  library.impl(name,                                                                                          \
               TORCH_FN((::torch_metal::detail::Operator<name, static_cast<at::_ops::op::schema*>(&function), \
                                                         at::_ops::op::schema*>::call)))

}  // namespace torch_metal
