// How operators are registered, so that every call is counted and float64 goes to the host by itself.
//
//   TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { METAL_IMPL(m, "mm.out", mm_out); }
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

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
inline bool wants_host(const c10::List<std::optional<at::Tensor>>& list) {
  return std::any_of(list.begin(), list.end(), [](const std::optional<at::Tensor>& t) { return wants_host(t); });
}
inline bool wants_host(std::optional<at::ScalarType> dtype) {
  return dtype == at::kDouble || dtype == at::kComplexDouble;
}
template <class T>
bool wants_host(const T&) {
  return false;
}

/// The handle of "aten::<name>", looked up once.
c10::OperatorHandle find_operator(std::string_view name);

/// What a call on the host returns: values off the stack, references to the arguments that were written.
template <class R>
struct HostResult {
  template <class... A>
  static R take(torch::jit::Stack& stack, A&...) {
    return c10::impl::PopResult<R>::call(stack);
  }
};
template <>
struct HostResult<void> {
  template <class... A>
  static void take(torch::jit::Stack&, A&...) {}
};

/// The tensors among `arguments` that may be returned by reference, in order.
template <class... A>
std::vector<std::reference_wrapper<const at::Tensor>> tensors(A&... arguments) {
  std::vector<std::reference_wrapper<const at::Tensor>> found;
  const auto add = [&](auto& argument) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(argument)>, at::Tensor>) found.emplace_back(argument);
  };
  (add(arguments), ...);
  return found;
}

/// In-place operators return their first tensor, out variants their last: the non-const references of a signature.
template <class... A>
std::vector<std::reference_wrapper<at::Tensor>> written_tensors(A&... arguments) {
  std::vector<std::reference_wrapper<at::Tensor>> found;
  const auto add = [&](auto& argument) {
    if constexpr (std::is_same_v<decltype(argument), at::Tensor&>) found.emplace_back(argument);
  };
  (add(arguments), ...);
  return found;
}
template <>
struct HostResult<at::Tensor&> {
  template <class... A>
  static at::Tensor& take(torch::jit::Stack&, A&... arguments) {
    return written_tensors(arguments...).front();
  }
};
template <>
struct HostResult<const at::Tensor&> {
  template <class... A>
  static const at::Tensor& take(torch::jit::Stack&, A&... arguments) {
    return tensors(arguments...).front();
  }
};
template <class... R>
struct HostResult<std::tuple<R&...>> {
  template <class... A>
  static std::tuple<R&...> take(torch::jit::Stack&, A&... arguments) {
    return [&]<size_t... i>(std::index_sequence<i...>) {
      const auto written = written_tensors(arguments...);
      return std::tuple<R&...>(written[i].get()...);
    }(std::index_sequence_for<R...>());
  }
};

/// Where float64 goes: to the CPU's kernel of the same operator, or to the function like any other dtype.
enum class Float64 { on_host, as_others };

template <OperatorName name, auto function, class Signature, Float64 float64 = Float64::on_host>
struct Operator;

template <OperatorName name, auto function, class R, class... A, Float64 float64>
struct Operator<name, function, R (*)(A...), float64> {
  static R call(A... arguments) {
    OperatorScope scope(name.text);
    if constexpr (float64 == Float64::on_host) {
      if ((wants_host(arguments) || ...)) return on_host(std::forward<A>(arguments)...);
    }
    return function(std::forward<A>(arguments)...);
  }

  // The CPU kernel over the same memory. Reference results are the arguments they name.
  static R on_host(A... arguments) {
    static const auto op = find_operator(name.text);
    torch::jit::Stack stack = c10::impl::boxArgs<A...>(std::forward<A>(arguments)...);
    run_on_host(op, &stack, Route::host);
    return HostResult<R>::take(stack, arguments...);
  }
};

}  // namespace detail

#define METAL_IMPL(library, name, ...) \
  library.impl(name, TORCH_FN((::torch_metal::detail::Operator<name, &__VA_ARGS__, decltype(&__VA_ARGS__)>::call)))

/// For a function that knows what to do with float64 and complex128.
#define METAL_IMPL_EVERY_DTYPE(library, name, function)                                              \
  library.impl(name, TORCH_FN((::torch_metal::detail::Operator<name, &function, decltype(&function), \
                                                               ::torch_metal::detail::Float64::as_others>::call)))

/// For a function with overloads: the one whose type is that of at::_ops::<op>.
#define METAL_IMPL_OVERLOAD(library, name, op, function)                                                      \
  library.impl(name,                                                                                          \
               TORCH_FN((::torch_metal::detail::Operator<name, static_cast<at::_ops::op::schema*>(&function), \
                                                         at::_ops::op::schema*>::call)))

}  // namespace torch_metal
