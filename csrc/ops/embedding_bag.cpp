// Bags of embeddings: the sum, mean or maximum of some rows of a table, and the gradients of that.
#include <ATen/TensorUtils.h>
#include <ATen/ops/_embedding_bag_dense_backward.h>
#include <ATen/ops/_embedding_bag_sparse_backward.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "embedding_bag_params.h"
#include "ops/narrow.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;
using at::TensorArg;
using OptionalTensor = std::optional<Tensor>;

/// Both as int32 or both as int64, contiguous.
struct Bags {
  Tensor indices;
  Tensor offsets;

  Bags(const Tensor& given_indices, const Tensor& given_offsets) {
    const TensorArg indices_arg(given_indices, "indices", 1), offsets_arg(given_offsets, "offsets", 1);
    at::checkScalarTypes("embedding_bag", indices_arg, {at::kLong, at::kInt});
    at::checkScalarTypes("embedding_bag", offsets_arg, {at::kLong, at::kInt});
    const auto dtype = at::promote_types(given_indices.scalar_type(), given_offsets.scalar_type());
    indices = given_indices.to(dtype).contiguous();
    offsets = given_offsets.to(dtype).contiguous();
  }
};

bool is_given(const OptionalTensor& tensor) { return tensor && tensor->defined(); }

void check(const Tensor& weight, const Bags& bags, int64_t mode, const OptionalTensor& sample_weights,
           bool has_last_offset) {
  const Tensor& indices = bags.indices;
  TORCH_CHECK(indices.dim() == 1, "input has to be a 1D Tensor, but got Tensor of dimension ", indices.dim());
  TORCH_CHECK(bags.offsets.dim() == 1, "offsets has to be a 1D Tensor, but got Tensor of dimension ",
              bags.offsets.dim());
  TORCH_CHECK(weight.dim() == 2, "weight has to be a 2D Tensor, but got Tensor of dimension ", weight.dim());
  const TensorArg weight_arg(weight, "weight", 1);
  at::checkScalarTypes("embedding_bag", weight_arg, {at::kHalf, at::kBFloat16, at::kFloat});
  TORCH_CHECK(mode >= kBagSum && mode <= kBagMax, "embedding_bag: there is no mode ", mode);
  if (is_given(sample_weights)) {
    TORCH_CHECK(mode == kBagSum, "embedding_bag: per_sample_weights only supported with mode='sum'");
    at::checkSameType("embedding_bag", weight_arg, TensorArg(*sample_weights, "per_sample_weights", 1));
    TORCH_CHECK(sample_weights->dim() == 1 && sample_weights->numel() == indices.numel(),
                "embedding_bag: per_sample_weights must have the shape of the indices, ", indices.sizes(), ", but got ",
                sample_weights->sizes());
  }
  TORCH_CHECK(!has_last_offset || bags.offsets.size(0) >= 1,
              "include_last_offset: number of offset should be at least 1");
  TORCH_CHECK_NOT_IMPLEMENTED(indices.numel() <= std::numeric_limits<int32_t>::max(),
                              "embedding_bag on metal: 2^31 indices or more are not implemented");
}

/// The table, or a copy, whose features lie next to each other.
Tensor dense_rows(const Tensor& weight) { return weight.stride(1) == 1 ? weight : weight.contiguous(); }

BagParams parameters(const Tensor& weight, int64_t bags, int64_t indices, int64_t padding) {
  BagParams params{};
  params.bags = narrow(bags, "embedding_bag's number of bags");
  params.indices = static_cast<uint32_t>(indices);
  params.features = narrow(weight.size(1), "embedding_bag's number of features");
  params.embeddings = weight.size(0);
  params.row_stride = weight.stride(0);
  params.padding = padding;
  return params;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> embedding_bag(const Tensor& given_weight, const Tensor& given_indices,
                                                         const Tensor& given_offsets, bool, int64_t mode, bool,
                                                         const OptionalTensor& sample_weights, bool has_last_offset,
                                                         int64_t padding) {
  const Bags given(given_indices, given_offsets);
  check(given_weight, given, mode, sample_weights, has_last_offset);
  const Tensor weight = dense_rows(given_weight);
  const Tensor &indices = given.indices, &offsets = given.offsets;
  const int64_t bags = offsets.size(0) - has_last_offset, features = weight.size(1);
  const Tensor out = at::empty({bags, features}, weight.options());
  const Tensor bag_of = at::zeros({indices.numel()}, indices.options());
  const Tensor bag_size = at::empty({bags}, indices.options());
  const Tensor max_indices =
      mode == kBagMax ? at::empty({bags, features}, indices.options()) : at::empty({bags}, indices.options());
  BagParams params = parameters(weight, bags, indices.numel(), padding);
  params.mode = static_cast<uint32_t>(mode);
  params.has_last_offset = has_last_offset;
  params.has_weights = is_given(sample_weights);
  const Tensor factors = params.has_weights ? sample_weights->contiguous() : Tensor();
  launch_threads(
      kernel("embedding_bag", "embedding_bag", {metal_type(weight.scalar_type()), metal_type(indices.scalar_type())}),
      {uint64_t(std::max<int64_t>(features, 1)), uint64_t(bags)}, {64}, out, bag_of, bag_size, max_indices, weight,
      indices, offsets, factors, params, error_buffer());
  return {out, bag_of, bag_size, max_indices};
}

/// The bag of each index: as the forward function found it, if that is given.
Tensor bag_of_each(const Bags& bags, const Tensor& known) {
  if (known.numel() == bags.indices.numel()) return known.to(bags.indices.scalar_type()).contiguous();
  const Tensor positions = at::arange(bags.indices.numel(), bags.offsets.options());
  return at::searchsorted(bags.offsets, positions, /*out_int32=*/bags.offsets.scalar_type() == at::kInt,
                          /*right=*/true)
      .sub_(1);
}

/// What each bag's gradient gives to the rows in it, as float.
Tensor gradient_of_rows(const Tensor& grad, const Tensor& bag_of, const Tensor& bag_size, int64_t mode,
                        const OptionalTensor& sample_weights) {
  Tensor shares = grad.to(at::kFloat);
  if (mode == kBagMean) shares = shares / bag_size.clamp_min(1).unsqueeze(1);
  const Tensor rows = shares.index_select(0, bag_of);
  return is_given(sample_weights) ? rows * sample_weights->unsqueeze(1) : rows;
}

Tensor embedding_bag_dense_backward(const Tensor& grad, const Tensor& indices, const Tensor& bag_of,
                                    const Tensor& bag_size, const Tensor& max_indices, int64_t num_weights,
                                    bool scale_grad_by_freq, int64_t mode, const OptionalTensor& sample_weights,
                                    int64_t padding) {
  const auto dtype = grad.scalar_type();
  at::checkScalarTypes("embedding_bag", TensorArg(grad, "grad_", 1), {at::kHalf, at::kBFloat16, at::kFloat});
  if (mode == kBagMax) {
    const Tensor table = at::zeros({num_weights, grad.size(1)}, grad.options().dtype(at::kFloat));
    const Tensor given = grad.to(at::kFloat).masked_fill(bag_size.eq(0).unsqueeze(1), 0);
    return table.scatter_add_(0, max_indices.to(at::kLong), given).to(dtype);
  }
  const Tensor rows = gradient_of_rows(grad, bag_of, bag_size, mode, sample_weights);
  return at::embedding_dense_backward(rows, indices, num_weights, padding, scale_grad_by_freq).to(dtype);
}

Tensor embedding_bag_backward(const Tensor& grad, const Tensor& given_indices, const Tensor& given_offsets,
                              const Tensor& known, const Tensor& bag_size, const Tensor& max_indices,
                              c10::SymInt num_weights, bool scale_grad_by_freq, int64_t mode, bool sparse,
                              const OptionalTensor& sample_weights, int64_t padding) {
  const Bags bags(given_indices, given_offsets);
  const Tensor bag_of = bag_of_each(bags, known);
  if (sparse) {
    return at::_embedding_bag_sparse_backward_symint(grad, bags.indices, bags.offsets, bag_of, bag_size, num_weights,
                                                     scale_grad_by_freq, mode, sample_weights, padding);
  }
  return at::_embedding_bag_dense_backward_symint(grad, bags.indices, bag_of, bag_size, max_indices, num_weights,
                                                  scale_grad_by_freq, mode, sample_weights, padding);
}

Tensor sample_weights_backward(const Tensor& grad, const Tensor& weight, const Tensor& given_indices,
                               const Tensor& given_offsets, const Tensor& known, int64_t mode, int64_t padding) {
  TORCH_CHECK(mode == kBagSum, "embedding_bag_backward: per_sample_weights only supported for mode='sum'");
  TORCH_CHECK(grad.dim() == 2 && weight.dim() == 2 && grad.size(1) == weight.size(1) &&
                  grad.scalar_type() == weight.scalar_type(),
              "embedding_bag_backward: grad and weight must be matrices of one dtype and as many columns");
  const Bags bags(given_indices, given_offsets);
  const Tensor bag_of = bag_of_each(bags, known);
  const Tensor out = at::empty({bags.indices.numel()}, grad.options()), table = dense_rows(weight);
  launch_groups(kernel("embedding_bag", "sample_weights_backward",
                       {metal_type(weight.scalar_type()), metal_type(bags.indices.scalar_type())}),
                {uint64_t(out.numel())}, {kSimdWidth}, out, grad.contiguous(), table, bags.indices, bag_of,
                parameters(table, grad.size(0), out.numel(), padding), error_buffer());
  return out;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_embedding_bag", embedding_bag);
  METAL_IMPL(m, "_embedding_bag_forward_only", embedding_bag);
  METAL_IMPL(m, "_embedding_bag_backward", embedding_bag_backward);
  METAL_IMPL(m, "_embedding_bag_dense_backward", embedding_bag_dense_backward);
  METAL_IMPL(m, "_embedding_bag_per_sample_weights_backward", sample_weights_backward);
}

}  // namespace
}  // namespace torch_metal
