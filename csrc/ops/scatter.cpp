// Gather and scatter along a dimension, on the kernels of indexing.
#include <ATen/native/TensorAdvancedIndexing.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather_native.h>
#include <ATen/ops/scatter_add_native.h>
#include <ATen/ops/scatter_native.h>
#include <ATen/ops/scatter_reduce_native.h>

#include "ops/indexing.h"
#include "ops/structured.h"

namespace torch_metal {
namespace {

using at::Tensor;
using at::native::ReductionType;

/// The part of `tensor` that lies under an index of these sizes.
Tensor under(const Tensor& tensor, at::IntArrayRef sizes) { return tensor.as_strided(sizes, tensor.strides()); }

/// What is indexed, under the index, its own position along `dim` taken away.
struct Target {
  Tensor places;
  int64_t size;
  int64_t byte_stride;
  int64_t dim;

  /// Along `dim` the index may be longer than the tensor.
  Target(const Tensor& tensor, int64_t dim, const Tensor& index)
      : places(under(without_stride(tensor, dim, index.size(dim)), index.sizes())),
        size(tensor.size(dim)),
        byte_stride(tensor.stride(dim) * tensor.element_size()),
        dim(dim) {}

  IndexedDimensions dimension() const { return {size, byte_stride, /*wrap=*/false, dim}; }
};

void gather_along(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index) {
  if (index.numel() == 0) return;
  const Tensor positions = at_least_1d(index).to(at::kLong);
  const Target target(at_least_1d(self), dim, positions);
  index_get(index_iterator(at_least_1d(result), target.places, positions), target.dimension());
}

void put_along(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  if (index.numel() == 0) return;
  const Tensor positions = at_least_1d(index).to(at::kLong);
  const Target target(at_least_1d(self), dim, positions);
  index_put(index_iterator(target.places, under(at_least_1d(src), positions.sizes()), positions), target.dimension());
}

void reduce_along(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                  const ReductionType& reduction) {
  if (index.numel() == 0) return;
  const Tensor positions = at_least_1d(index).to(at::kLong);
  const Target target(at_least_1d(self), dim, positions);
  // A mean is a sum here: PyTorch divides it by the counts.
  index_accumulate(index_iterator(target.places, under(at_least_1d(src), positions.sizes()), positions),
                   target.dimension(), reduction == ReductionType::MEAN ? ReductionType::SUM : reduction);
}

/// The same value for each index.
Tensor repeated(const at::Scalar& value, const Tensor& index, const Tensor& like) {
  return at::full({}, value, like.options()).expand(index.sizes());
}

void fill_along(const Tensor& self, int64_t dim, const Tensor& index, const at::Scalar& value) {
  put_along(self, dim, index, repeated(value, index, self));
}

void add_along(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  reduce_along(self, dim, index, src, ReductionType::SUM);
}

void reduce_scalar_along(const Tensor& self, const int64_t dim, const Tensor& index, const at::Scalar& value,
                         const ReductionType& reduction) {
  reduce_along(self, dim, index, repeated(value, index, self), reduction);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED(m, "gather.out", gather_out);
  METAL_STRUCTURED(m, "scatter.src_out", scatter_src_out);
  METAL_STRUCTURED(m, "scatter.value_out", scatter_value_out);
  METAL_STRUCTURED(m, "scatter.reduce_out", scatter_reduce_out);
  METAL_STRUCTURED(m, "scatter.value_reduce_out", scatter_value_reduce_out);
  METAL_STRUCTURED(m, "scatter_add.out", scatter_add);
  METAL_STRUCTURED(m, "scatter_reduce.two_out", scatter_reduce_two);
}

}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(gather_stub, &torch_metal::gather_along)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_stub, &torch_metal::put_along)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_fill_stub, &torch_metal::fill_along)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_add_stub, &torch_metal::add_along)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_reduce_stub, &torch_metal::reduce_along)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_scalar_reduce_stub, &torch_metal::reduce_scalar_along)
REGISTER_PRIVATEUSE1_DISPATCH(scatter_reduce_two_stub, &torch_metal::reduce_along)
}  // namespace at::native
