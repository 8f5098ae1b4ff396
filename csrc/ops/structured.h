// Structured operators: PyTorch's meta function does type promotion, broadcasting, shapes and errors, its impl (or
// ours) computes. One line registers the .out form; functional and in-place calls reach it through PyTorch itself.
//
//   METAL_STRUCTURED(m, "mul.out", mul_out);                    // at::native::structured_mul_out, a dispatch stub
//   METAL_STRUCTURED_CLASS(m, "avg_pool2d.out", AvgPool2d);     // a subclass of at::meta::structured_avg_pool2d
//   METAL_STRUCTURED_FUNCTIONAL(m, "mul.Tensor", mul_out);      // saves hot operators a second dispatch
//
// A class of ours declares `void impl(<meta's parameters>..., const at::Tensor& out...)`. If its meta function
// precomputes values, they come first: `void impl(const meta_return_ty& precomputed, <meta's parameters>..., ...)`.
#pragma once

#include <ATen/MemoryOverlap.h>
#include <ATen/TensorIterator.h>
#include <ATen/TensorMeta.h>
#include <ATen/core/IListRef.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/DeviceGuard.h>

#include <array>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "ops/registration.h"

namespace torch_metal::detail {

/// How a parameter of a structured kernel is spelt in the dispatcher's signature, and the way from there.
template <class T>
struct Parameter {
  using schema_type = T;
  static T convert(T value) { return std::forward<T>(value); }
};
template <>
struct Parameter<at::OptionalTensorRef> {
  using schema_type = const std::optional<at::Tensor>&;
  static at::OptionalTensorRef convert(schema_type value) {
    return value && value->defined() ? at::OptionalTensorRef(*value) : at::OptionalTensorRef();
  }
};
template <>
struct Parameter<at::OptionalScalarRef> {
  using schema_type = const std::optional<at::Scalar>&;
  static at::OptionalScalarRef convert(schema_type value) {
    return value ? at::OptionalScalarRef(*value) : at::OptionalScalarRef();
  }
};
template <>
struct Parameter<at::IOptTensorListRef> {
  using schema_type = const c10::List<std::optional<at::Tensor>>&;
  static at::IOptTensorListRef convert(schema_type value) { return value; }
};

/// Checks that tensor arguments are on the device of the outputs, as the dispatcher's generated wrappers do.
inline void check_device(c10::Device device, const at::Tensor& tensor) {
  TORCH_CHECK(!tensor.defined() || tensor.device() == device,
              "Expected all tensors to be on the same device, but found at least two devices, ", device, " and ",
              tensor.device(), "!");
}
inline void check_device(c10::Device device, at::OptionalTensorRef tensor) {
  if (tensor.has_value()) check_device(device, *tensor);
}
inline void check_device(c10::Device device, const at::ITensorListRef& list) {
  for (const at::Tensor& tensor : list) check_device(device, tensor);
}
template <class T>
void check_device(c10::Device, const T&) {}

template <class... T>
struct List {};

/// Length of the run of `const at::Tensor&` at the end of a parameter list: a structured kernel's outputs come last.
template <class... A>
constexpr size_t trailing_tensors() {
  size_t count = 0;
  ((count = std::is_same_v<A, const at::Tensor&> ? count + 1 : 0), ...);
  return count;
}

template <class Meta, class Impl>
struct Shape;
template <class M, class R, class... A, class I, class... B>
struct Shape<R (M::*)(A...), void (I::*)(B...)> {
  using arguments = List<A...>;
  using precomputed = R;
  static constexpr size_t outputs = trailing_tensors<B...>() - trailing_tensors<A...>();
};
template <class Op>
using ShapeOf = Shape<decltype(&Op::meta), decltype(&Op::impl)>;

/// Common to the forms: what meta decides about outputs reaches TensorIterator too, if the operator is one.
template <class Op, size_t n>
class Outputs : public Op {
 protected:
  void tell_iterator(int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides, at::TensorOptions options) {
    if constexpr (std::is_base_of_v<at::TensorIteratorBase, Op>) Op::set_output_raw_strided(i, sizes, strides, options);
  }
};

/// Outputs that the caller gave: resized if they are empty, replaced by a proxy if the kernel wants other strides.
template <class Op, size_t n>
class GivenOutputs final : public Outputs<Op, n> {
 public:
  template <class... T>
  explicit GivenOutputs(T&... outputs) : outputs_{outputs...} {}

  void set_output_strided(int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides,
                          at::TensorOptions options) override {
    resize(outputs_[i], sizes, strides, options);
    if (outputs_[i].get().strides() != strides) proxies_[i] = at::empty_strided(sizes, strides, options);
    this->tell_iterator(i, sizes, strides, options);
  }
  void set_output_raw_strided(int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides,
                              at::TensorOptions options) override {
    resize(outputs_[i], sizes, strides, options);
    this->tell_iterator(i, sizes, strides, options);
  }
  const at::Tensor& maybe_get_output(int64_t i) override {
    return proxies_[i].defined() ? proxies_[i] : outputs_[i].get();
  }

  void copy_back() {
    for (size_t i = 0; i < n; ++i)
      if (proxies_[i].defined()) outputs_[i].get().copy_(proxies_[i]);
  }

 private:
  static void resize(const at::Tensor& out, at::IntArrayRef sizes, at::IntArrayRef strides,
                     const at::TensorOptions& options) {
    TORCH_CHECK(options.dtype() == out.dtype(), "Expected out tensor to have dtype ", options.dtype(), ", but got ",
                out.dtype(), " instead");
    TORCH_CHECK(options.device() == out.device(), "Expected out tensor to have device ", options.device(),
                ", but got ", out.device(), " instead");
    if (!at::native::resize_output(out, sizes)) return;  // a tensor that fits keeps its strides
    if (!strides.empty()) {
      out.as_strided_(sizes, strides);
    } else if (const auto format = options.memory_format_opt()) {
      out.unsafeGetTensorImpl()->empty_tensor_restride(*format);
    }
  }

  std::array<std::reference_wrapper<at::Tensor>, n> outputs_;
  std::array<at::Tensor, n> proxies_;
};

/// Outputs that the call creates.
template <class Op, size_t n>
class NewOutputs final : public Outputs<Op, n> {
 public:
  void set_output_strided(int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides,
                          at::TensorOptions options) override {
    outputs_[i] = strides.empty() ? at::empty(sizes, options) : at::empty_strided(sizes, strides, options);
    this->tell_iterator(i, sizes, strides, options);
  }
  void set_output_raw_strided(int64_t i, at::IntArrayRef sizes, at::IntArrayRef strides,
                              at::TensorOptions options) override {
    set_output_strided(i, sizes, strides, options);
  }
  const at::Tensor& maybe_get_output(int64_t i) override { return outputs_[i]; }
  at::Tensor take(size_t i) { return std::move(outputs_[i]); }

 private:
  std::array<at::Tensor, n> outputs_;
};

/// meta, then impl.
template <class Op, size_t... i, class... A>
void run_structured(Op& op, std::index_sequence<i...>, A&&... arguments) {
  if constexpr (std::is_void_v<typename ShapeOf<Op>::precomputed>) {
    op.meta(arguments...);
    op.impl(arguments..., op.maybe_get_output(i)...);
  } else {
    const auto precomputed = op.meta(arguments...);
    op.impl(precomputed, arguments..., op.maybe_get_output(i)...);
  }
}

template <class T, size_t>
using Repeat = T;

template <class Op, class Arguments = typename ShapeOf<Op>::arguments,
          class Indices = std::make_index_sequence<ShapeOf<Op>::outputs>>
struct Structured;

template <class Op, class... A, size_t... i>
struct Structured<Op, List<A...>, std::index_sequence<i...>> {
  static constexpr size_t n = sizeof...(i);
  static_assert(n > 0, "a structured kernel has outputs");
  using References = std::conditional_t<n == 1, at::Tensor&, std::tuple<Repeat<at::Tensor&, i>...>>;
  using Values = std::conditional_t<n == 1, at::Tensor, std::tuple<Repeat<at::Tensor, i>...>>;

  static References out(typename Parameter<A>::schema_type... arguments, Repeat<at::Tensor&, i>... outputs) {
    const c10::Device device = std::get<0>(std::tie(outputs...)).device();
    const c10::DeviceGuard guard(device);
    if constexpr (!std::is_base_of_v<at::TensorIteratorBase, Op>) (at::assert_no_internal_overlap(outputs), ...);
    GivenOutputs<Op, n> op(outputs...);
    check_devices(device, Parameter<A>::convert(arguments)...);
    run_structured(op, std::index_sequence<i...>(), Parameter<A>::convert(arguments)...);
    op.copy_back();
    if constexpr (n == 1) {
      return std::get<0>(std::tie(outputs...));
    } else {
      return std::tie(outputs...);
    }
  }

  static Values functional(typename Parameter<A>::schema_type... arguments) {
    NewOutputs<Op, n> op;
    run_structured(op, std::index_sequence<i...>(), Parameter<A>::convert(arguments)...);
    return Values(op.take(i)...);
  }

 private:
  // TensorIterator has its own checks; of devices, one that lets zero-dimensional CPU tensors pass.
  static void check_devices(c10::Device device, const std::remove_reference_t<A>&... arguments) {
    if constexpr (!std::is_base_of_v<at::TensorIteratorBase, Op>) (check_device(device, arguments), ...);
  }
};

}  // namespace torch_metal::detail

#define METAL_STRUCTURED_CLASS(library, name, ...) \
  METAL_IMPL(library, name, ::torch_metal::detail::Structured<__VA_ARGS__>::out)
#define METAL_STRUCTURED(library, name, kernel) \
  METAL_STRUCTURED_CLASS(library, name, ::at::native::structured_##kernel)
#define METAL_STRUCTURED_FUNCTIONAL(library, name, kernel) \
  METAL_IMPL(library, name, ::torch_metal::detail::Structured<::at::native::structured_##kernel>::functional)
