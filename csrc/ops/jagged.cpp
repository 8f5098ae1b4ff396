// Nested tensors of layout jagged: their Python class does everything by operators on the packed values, but for the
// moves to and from padded tensors.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "jagged_params.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;
using at::TensorList;

const Tensor& only_offsets(const char* name, TensorList offsets) {
  TORCH_CHECK(offsets.size() == 1, name, ": only one jagged dimension is supported, got ", offsets.size());
  TORCH_CHECK(offsets[0].dim() == 1 && offsets[0].numel() > 0 && offsets[0].is_privateuseone() &&
                  (offsets[0].scalar_type() == at::kLong || offsets[0].scalar_type() == at::kInt),
              name, ": offsets must be a vector of int32 or int64 on metal, with one number more than sequences");
  return offsets[0];
}

const Kernel& jagged_kernel(std::string_view function, const Tensor& values, const Tensor& offsets) {
  return kernel("jagged", function, {metal_type(values.scalar_type()), metal_type(offsets.scalar_type())});
}

JaggedParams jagged_params(const Tensor& packed, const Tensor& padded) {
  const JaggedParams params{static_cast<uint64_t>(c10::multiply_integers(padded.sizes().slice(2))),
                            static_cast<uint64_t>(padded.size(0)), static_cast<uint64_t>(padded.size(1)),
                            static_cast<uint64_t>(packed.size(0))};
  TORCH_CHECK_NOT_IMPLEMENTED(std::max({params.inner, params.batch, params.length, params.packed}) < uint64_t{1} << 32,
                              "metal: jagged tensors of sizes from 2^32 on");
  return params;
}

/// values [packed, ...] -> [batch, max_length, ...]; longer sequences are cut off.
Tensor jagged_to_padded(const Tensor& values_, TensorList offset_list, at::IntArrayRef max_lengths, double padding) {
  const Tensor offsets = only_offsets("_jagged_to_padded_dense_forward", offset_list).contiguous();
  TORCH_CHECK(max_lengths.size() == 1 && max_lengths[0] >= 0 && values_.dim() >= 1,
              "_jagged_to_padded_dense_forward: expected one length and values of at least one dimension");
  const Tensor values = values_.contiguous();
  at::DimVector shape{offsets.numel() - 1, max_lengths[0]};
  shape.append(values.sizes().begin() + 1, values.sizes().end());
  const Tensor padded = at::empty(shape, values.options()), fill = at::full({1}, padding, values.options());
  const JaggedParams params = jagged_params(values, padded);
  launch_threads(jagged_kernel("jagged_to_padded", values, offsets), {params.inner, params.length, params.batch}, {64},
                 padded, values, offsets, fill, params, error_buffer());
  return padded;
}

/// [batch, length, ...] -> [packed, ...]. Without `packed`, it is read from the offsets.
Tensor padded_to_jagged(const Tensor& dense, TensorList offset_list, std::optional<int64_t> packed) {
  const Tensor offsets = only_offsets("_padded_dense_to_jagged_forward", offset_list).contiguous();
  TORCH_CHECK(dense.dim() >= 2 && dense.size(0) == offsets.numel() - 1,
              "_padded_dense_to_jagged_forward: a padded tensor of size ", dense.sizes(), " does not fit ",
              offsets.numel(), " offsets");
  const Tensor padded = dense.contiguous();
  at::DimVector shape{packed ? *packed : offsets[-1].item<int64_t>()};
  shape.append(padded.sizes().begin() + 2, padded.sizes().end());
  const Tensor values = at::empty(shape, padded.options());
  const JaggedParams params = jagged_params(values, padded);
  if (params.batch == 0) return values.zero_();
  launch_threads(jagged_kernel("padded_to_jagged", padded, offsets), {params.inner, params.packed}, {64}, values,
                 padded, offsets, params);
  return values;
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_jagged_to_padded_dense_forward", jagged_to_padded);
  METAL_IMPL(m, "_padded_dense_to_jagged_forward", padded_to_jagged);
}

}  // namespace torch_metal
