// Nested tensors of layout strided: a buffer on metal and sizes on the CPU. Most of PyTorch's operators on them know no
// device: they work by other operators on the buffer or its parts.
#include <ATen/NestedTensorImpl.h>
#include <ATen/native/nested/NestedTensorUtils.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/_native_multi_head_attention_native.h>
#include <ATen/ops/_nested_from_padded_native.h>
#include <ATen/ops/_nested_tensor_from_mask_left_aligned_native.h>
#include <ATen/ops/_nested_tensor_from_mask_native.h>
#include <ATen/ops/_nested_tensor_softmax_with_shape_native.h>
#include <ATen/ops/_nested_tensor_storage_offsets_native.h>
#include <ATen/ops/_nested_view_from_buffer_native.h>
#include <ATen/ops/_transform_bias_rescale_qkv.h>
#include <ATen/ops/bmm_native.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/to_padded_tensor_native.h>

#include "ops/registration.h"

namespace torch_metal {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

constexpr c10::DispatchKey kGeneric = c10::DispatchKey::NestedTensorHPU;  // has what knows no device, and no more

void by_generic_kernel(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  op.redispatchBoxed(c10::DispatchKeySet(kGeneric), stack);
}

void refuse(const c10::OperatorHandle& op, torch::jit::Stack*) {
  TORCH_CHECK_NOT_IMPLEMENTED(false, "The operator '", toString(op.operator_name()),
                              "' has no kernel for nested tensors on metal. Use layout=torch.jagged, or move it to the "
                              "CPU");
}

/// Over the last dimensions, which all parts share.
std::tuple<Tensor, Tensor, Tensor> layer_norm(const Tensor& input, at::IntArrayRef normalized_shape,
                                              const OptionalTensor& weight, const OptionalTensor& bias, double eps) {
  const auto* nested = at::native::get_nested_tensor_impl(input);
  TORCH_CHECK(at::native::nested_tensor_impl_is_contiguous(nested), "layer_norm: the nested tensor is not contiguous");
  const int64_t features = c10::multiply_integers(normalized_shape);
  const Tensor& sizes = nested->get_nested_sizes();
  for (size_t i = 0; i < normalized_shape.size(); ++i) {
    const int64_t column = sizes.size(1) - static_cast<int64_t>(normalized_shape.size() - i);
    TORCH_CHECK(column >= 0 && (sizes.numel() == 0 || sizes.select(1, column).eq(normalized_shape[i]).all().item<bool>()),
                "layer_norm: the last dimensions of the nested tensor's parts are not ", normalized_shape);
  }
  at::DimVector rows{-1};
  rows.append(normalized_shape.begin(), normalized_shape.end());
  const Tensor buffer = nested->get_buffer();
  const Tensor flat = features == 0 ? buffer : buffer.view(rows);
  const auto [out, mean, rstd] = at::native_layer_norm(flat, normalized_shape, weight, bias, eps);
  return {at::native::wrap_buffer(out.view(-1), sizes), mean, rstd};
}

std::tuple<Tensor, Tensor, Tensor> transform_bias_rescale_qkv(const Tensor& qkv, const Tensor& bias, int64_t heads) {
  return at::_transform_bias_rescale_qkv(qkv.to_padded_tensor(0), bias, heads);
}

int64_t fused_sdp_choice(const Tensor&, const Tensor&, const Tensor&, const OptionalTensor&, double, bool,
                         std::optional<double>, bool) {
  return static_cast<int64_t>(at::SDPBackend::math);
}

}  // namespace

TORCH_LIBRARY_IMPL(_, NestedTensorPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&refuse>());
}

TORCH_LIBRARY_IMPL(aten, NestedTensorPrivateUse1, m) {
  // Known to no device either, though not registered as such.
  m.impl("bmm", TORCH_FN(at::native::bmm_nested));
  m.impl("to_padded_tensor", TORCH_FN(at::native::NestedTensor_to_padded_tensor_generic));
  m.impl("_nested_tensor_softmax_with_shape", TORCH_FN(at::native::NestedTensor_softmax_dropout));
  m.impl("_nested_tensor_storage_offsets", TORCH_FN(at::native::_nested_tensor_storage_offsets));
  m.impl("_native_multi_head_attention", TORCH_FN(at::native::native_multi_head_attention_cpu));
  m.impl("_transform_bias_rescale_qkv", TORCH_FN(transform_bias_rescale_qkv));
  m.impl("native_layer_norm", TORCH_FN(layer_norm));
  m.impl("_fused_sdp_choice", TORCH_FN(fused_sdp_choice));

  c10::Dispatcher& dispatcher = c10::Dispatcher::singleton();
  for (const c10::OperatorName& name : dispatcher.getAllOpNames()) {
    const auto op = dispatcher.findOp(name);
    if (name.getNamespace() != "aten" || !op || !op->hasKernelForDispatchKey(kGeneric)) continue;
    if (op->hasKernelForDispatchKey(c10::DispatchKey::NestedTensorPrivateUse1)) continue;
    m.impl(toString(name).c_str(), torch::CppFunction::makeFromBoxedFunction<&by_generic_kernel>());
  }
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL_EVERY_DTYPE(m, "_nested_view_from_buffer", at::native::_nested_view_from_buffer);
  METAL_IMPL_EVERY_DTYPE(m, "_nested_from_padded", at::native::nested_from_padded_generic);
  METAL_IMPL_EVERY_DTYPE(m, "_nested_tensor_from_mask", at::native::NestedTensor_nested_tensor_from_mask);
  METAL_IMPL_EVERY_DTYPE(m, "_nested_tensor_from_mask_left_aligned",
                         at::native::NestedTensor_nested_tensor_from_mask_left_aligned);
}

}  // namespace torch_metal
