// Operators on the kernels of indexing: index, index_put, index_select, index_add, index_copy, index_fill, take, put.
#include <ATen/MemoryOverlap.h>
#include <ATen/TensorUtils.h>
#include <ATen/WrapDimUtilsMulti.h>
#include <ATen/native/IndexKernel.h>
#include <ATen/native/IndexingUtils.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorAdvancedIndexing.h>
#include <ATen/ops/_index_put_impl_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_add_meta.h>
#include <ATen/ops/index_copy_native.h>
#include <ATen/ops/index_fill_native.h>
#include <ATen/ops/index_native.h>
#include <ATen/ops/index_reduce_meta.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/put_native.h>
#include <ATen/ops/take_native.h>
#include <ATen/ops/zeros_like.h>

#include "indexing_params.h"
#include "ops/indexing.h"
#include "ops/iteration.h"
#include "ops/structured.h"

namespace torch_metal {

using at::IntArrayRef;
using at::Tensor;
using at::TensorIteratorBase;

namespace {

int64_t byte_stride(const Tensor& tensor, int64_t dim) { return tensor.stride(dim) * tensor.element_size(); }

// Stubs that PyTorch calls when it has checked the arguments.

void index_stub_kernel(TensorIteratorBase& iter, IntArrayRef sizes, IntArrayRef strides) {
  index_get(iter, {sizes, strides});
}

void index_put_stub_kernel(at::TensorIterator& iter, IntArrayRef sizes, IntArrayRef strides, bool accumulate) {
  if (accumulate) {
    index_accumulate(iter, {sizes, strides}, at::native::ReductionType::SUM);
  } else {
    index_put(iter, {sizes, strides});
  }
}

/// A tensor under its indices: adjacent indexed dimensions, each of stride 0, have the shape of the indices.
struct IndexedPlaces {
  Tensor places;
  std::vector<Tensor> indices;
  at::DimVector sizes, strides;  ///< of the indexed dimensions, strides in bytes

  IndexedPlaces(Tensor self, const c10::List<std::optional<Tensor>>& given) {
    at::native::checkIndexTensorTypes(given, /*allow_int=*/true);
    std::vector<Tensor> by_dimension = at::native::expandTensors(self, given, /*ensure_same_device=*/true);
    TORCH_CHECK_INDEX(by_dimension.size() <= static_cast<size_t>(self.dim()),
                      "too many indices for tensor of dimension ", self.dim(), " (got ", by_dimension.size(), ")");
    by_dimension = at::expand_outplace(by_dimension);
    by_dimension.resize(self.dim());
    if (!at::native::hasContiguousSubspace(by_dimension)) {
      std::tie(self, by_dimension) = at::native::transposeToFront(self, by_dimension);
    }
    const auto is_index = [](const Tensor& index) { return index.defined(); };
    const auto first = std::find_if(by_dimension.begin(), by_dimension.end(), is_index);
    const auto last = std::find_if_not(first, by_dimension.end(), is_index);
    const int64_t before = first - by_dimension.begin(), after = by_dimension.end() - last;

    const IntArrayRef index_shape = first->sizes();
    at::DimVector shape(self.sizes().slice(0, before)), place_strides(self.strides().slice(0, before));
    shape.append(index_shape.begin(), index_shape.end());
    place_strides.append(index_shape.size(), 0);
    for (int64_t d = self.dim() - after; d < self.dim(); ++d) {
      shape.push_back(self.size(d));
      place_strides.push_back(self.stride(d));
    }
    places = self.as_strided(shape, place_strides);

    at::DimVector around(before, 1);
    around.append(index_shape.begin(), index_shape.end());
    around.append(after, 1);
    for (auto index = first; index != last; ++index) {
      const int64_t dim = index - by_dimension.begin();
      indices.push_back(index->to(at::kLong).reshape(around));
      sizes.push_back(self.size(dim));
      strides.push_back(byte_stride(self, dim));
    }
  }
};

/// PyTorch accumulates through this instead of index_put_stub: the indices are as the user gave them.
void index_put_with_sort_stub_kernel(Tensor& self, const c10::List<std::optional<Tensor>>& indices, const Tensor& value,
                                     bool accumulate, bool) {
  const IndexedPlaces indexed(self, indices);
  TORCH_CHECK(at::is_expandable_to(value.sizes(), indexed.places.sizes()), "shape mismatch: value tensor of shape ",
              value.sizes(), " cannot be broadcast to indexing result of shape ", indexed.places.sizes());
  const Tensor values = value.to(self.device());
  at::TensorIteratorConfig config;
  config.set_check_mem_overlap(false).check_all_same_dtype(false).resize_outputs(false);
  config.add_output(indexed.places).add_const_input(values);
  for (const Tensor& index : indexed.indices) config.add_const_input(index);
  at::TensorIterator iter = config.build();
  index_put_stub_kernel(iter, indexed.sizes, indexed.strides, accumulate);
}

void index_fill_stub_kernel(at::TensorIterator& iter, int64_t dim, int64_t size, int64_t stride,
                            const at::Scalar& value) {
  const Tensor out = iter.tensor(0);
  const Tensor filling = at::full({}, value, out.options()).expand(out.sizes());
  const int64_t bytes = stride * out.element_size();
  index_put(index_iterator(out, filling, iter.tensor(1)), {size, bytes, /*wrap=*/true, dim});
}

void index_copy_stub_kernel(at::TensorIterator& iter, int64_t dim, int64_t size, int64_t stride) {
  const int64_t bytes = stride * iter.element_size(0);
  index_put(index_iterator(iter.tensor(0), iter.tensor(2), iter.tensor(1)), {size, bytes, /*wrap=*/false, dim});
}

void take_stub_kernel(at::TensorIterator& iter, const at::TensorBase& input) {
  const Tensor flat = Tensor(input).reshape(-1), out = iter.tensor(0);
  const Tensor source = flat.as_strided(out.sizes(), at::DimVector(out.dim(), 0));
  const int64_t size = flat.numel(), bytes = byte_stride(flat, 0);
  index_get(index_iterator(out, source, iter.tensor(1)), {size, bytes});
}

void put_stub_kernel(at::TensorIterator& iter, const at::TensorBase& self, bool accumulate) {
  const Tensor whole(self), flat = whole.is_contiguous() ? whole : whole.contiguous(), source = iter.tensor(0);
  const Tensor target = flat.as_strided(source.sizes(), at::DimVector(source.dim(), 0));
  const int64_t size = flat.numel(), bytes = flat.element_size();
  at::TensorIterator places = index_iterator(target, source, iter.tensor(1));
  index_put_stub_kernel(places, size, bytes, accumulate);
  if (!whole.is_contiguous()) whole.copy_(flat);
}

// PyTorch's implementations, which call the stubs, given what their meta functions computed.

struct Index : at::native::structured_index_out {
  void impl(const meta_return_ty& precomputed, const Tensor& self, at::IOptTensorListRef, const Tensor& out) {
    structured_index_out::impl(self, precomputed.sizes, precomputed.strides, out);
  }
};

struct IndexCopy : at::native::structured_index_copy_out {
  void impl(const meta_return_ty& precomputed, const Tensor& self, int64_t, const Tensor& index, const Tensor& source,
            const Tensor& out) {
    structured_index_copy_out::impl(self, precomputed.dim, index, source, out);
  }
};

// Operators whose PyTorch implementation is the CPU's own.

/// A mask as the only index, and what it selects from, as one dimension: a single index tensor is read then. `self` is
/// copied to that end only if the kernels could not read an index tensor for each dimension.
void flatten_mask(Tensor& self, c10::List<std::optional<Tensor>>& indices) {
  const auto is_given = [](const std::optional<Tensor>& index) { return index && index->defined(); };
  int64_t position = -1;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (!is_given(indices.get(i))) continue;
    if (position >= 0) return;
    position = i;
  }
  if (position < 0) return;
  const Tensor mask = *indices.get(position);
  const int64_t end = position + mask.dim();
  if (mask.scalar_type() != at::kBool || mask.dim() < 2 || end > self.dim() ||
      self.sizes().slice(position, mask.dim()) != mask.sizes()) {
    return;
  }
  at::DimVector sizes(self.sizes().slice(0, position));
  sizes.push_back(mask.numel());
  sizes.append(self.sizes().begin() + end, self.sizes().end());
  const auto strides = at::detail::computeStride(self.sizes(), self.strides(), sizes);
  if (!strides && mask.dim() <= int64_t{kMaxIndices}) return;
  self = self.reshape(sizes);
  indices.set(position, mask.reshape(-1));
}

Tensor index_tensor(const Tensor& self, const c10::List<std::optional<Tensor>>& indices) {
  Tensor from = self;
  c10::List<std::optional<Tensor>> flat = indices.copy();
  flatten_mask(from, flat);
  return detail::Structured<Index>::functional(from, flat);
}

Tensor& index_put_impl_(Tensor& self, const c10::List<std::optional<Tensor>>& indices, const Tensor& values,
                        bool accumulate, bool unsafe) {
  Tensor to = self;
  c10::List<std::optional<Tensor>> flat = indices.copy();
  flatten_mask(to, flat);
  at::native::_index_put_impl_(to, flat, values, accumulate, unsafe);
  if (!to.is_alias_of(self)) self.copy_(to.view(self.sizes()));
  return self;
}

Tensor& index_select_out(const Tensor& self, int64_t dim, const Tensor& index, Tensor& out) {
  dim = at::maybe_wrap_dim(dim, self.dim());
  TORCH_CHECK_INDEX(index.dim() <= 1, "index_select(): Index is supposed to be a vector, but got dim: ", index.dim());
  TORCH_CHECK(index.scalar_type() == at::kLong || index.scalar_type() == at::kInt,
              "index_select(): Expected dtype int32 or int64 for index but got: ", index.scalar_type());
  TORCH_CHECK(self.scalar_type() == out.scalar_type(),
              "index_select(): self and result must have the same scalar type");
  TORCH_CHECK(self.dim() > 0 || index.numel() == 1, "index_select(): Index to scalar can have only 1 value, got ",
              index.numel(), " value(s)");
  TORCH_CHECK(self.device() == index.device() && self.device() == out.device(),
              "Expected all tensors to be on the "
              "same device, but found at least two devices, ",
              self.device(), " and ", index.device(), "!");
  at::assert_no_internal_overlap(out);
  at::assert_no_overlap(out, self);
  at::assert_no_overlap(out, index);
  at::DimVector sizes(self.sizes());
  if (self.dim() > 0) sizes[dim] = index.numel();
  at::native::resize_output(out, sizes);
  if (out.numel() == 0) return out;
  const Tensor source = at_least_1d(self), target = at_least_1d(out);
  const int64_t size = source.size(dim), bytes = byte_stride(source, dim);
  index_get(
      index_iterator(target, without_stride(source, dim, index.numel()), expand_index(index, dim, target.sizes())),
      {size, bytes, /*wrap=*/false, dim});
  return out;
}

Tensor index_select(const Tensor& self, int64_t dim, const Tensor& index) {
  Tensor out = at::empty({0}, self.options());
  return index_select_out(self, dim, index, out);
}

/// out[index] = reduce(out[index], source) along `dim`.
void accumulate_along(const Tensor& out, int64_t dim, const Tensor& index, const Tensor& source,
                      at::native::ReductionType reduction) {
  if (source.numel() == 0) return;
  const Tensor target = at_least_1d(out), values = at_least_1d(source);
  const int64_t size = target.size(dim), bytes = byte_stride(target, dim);
  index_accumulate(
      index_iterator(without_stride(target, dim, index.numel()), values, expand_index(index, dim, values.sizes())),
      {size, bytes, /*wrap=*/false, dim}, reduction);
}

struct IndexAdd : at::meta::structured_index_add {
  void impl(const meta_return_ty& precomputed, const Tensor& self, int64_t, const Tensor& index, const Tensor& source,
            const at::Scalar& alpha, const Tensor& out) {
    if (!out.is_same(self)) out.copy_(self);
    const Tensor scaled = alpha.equal(1) ? source : source.mul(alpha);
    accumulate_along(out, precomputed.dim, index, scaled, at::native::ReductionType::SUM);
  }
};

/// What `reduction` leaves other values unchanged by.
at::Scalar identity_of(at::native::ReductionType reduction, at::ScalarType dtype) {
  const bool is_max = reduction == at::native::ReductionType::MAX;
  if (!is_max && reduction != at::native::ReductionType::MIN) return reduction == at::native::ReductionType::PROD;
  return AT_DISPATCH_ALL_TYPES_AND3(at::kHalf, at::kBFloat16, at::kBool, dtype, "index_reduce", [&]() -> at::Scalar {
    using limits = std::numeric_limits<scalar_t>;
    if constexpr (limits::has_infinity) return is_max ? -limits::infinity() : limits::infinity();
    return is_max ? limits::lowest() : limits::max();
  });
}

struct IndexReduce : at::meta::structured_index_reduce {
  void impl(const meta_return_ty& precomputed, const Tensor& self, int64_t, const Tensor& index, const Tensor& source,
            std::string_view reduce, bool include_self, const Tensor& out) {
    const int64_t dim = precomputed.dim;
    const auto reduction = at::native::get_operator_enum(reduce, true);
    const bool is_mean = reduction == at::native::ReductionType::MEAN;
    if (!out.is_same(self)) out.copy_(self);
    if (!include_self) out.index_fill_(dim, index.to(at::kLong), identity_of(reduction, out.scalar_type()));
    accumulate_along(out, dim, index, source, is_mean ? at::native::ReductionType::SUM : reduction);
    if (!is_mean) return;
    const Tensor counts = include_self ? at::ones_like(out) : at::zeros_like(out);
    accumulate_along(counts, dim, index, at::ones_like(source), at::native::ReductionType::SUM);
    counts.masked_fill_(counts == 0, 1);
    at::isFloatingType(out.scalar_type()) ? out.div_(counts) : out.div_(counts, "floor");
  }
};

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "index.Tensor_out", Index);
  METAL_IMPL(m, "index.Tensor", index_tensor);
  METAL_IMPL(m, "_index_put_impl_", index_put_impl_);
  METAL_IMPL(m, "index_select", index_select);
  METAL_IMPL(m, "index_select.out", index_select_out);
  METAL_STRUCTURED_CLASS(m, "index_add.out", IndexAdd);
  METAL_STRUCTURED_CLASS(m, "index_reduce.out", IndexReduce);
  METAL_STRUCTURED_CLASS(m, "index_copy.out", IndexCopy);
  METAL_IMPL_OVERLOAD(m, "index_fill_.int_Scalar", index_fill__int_Scalar, at::native::index_fill_);
  METAL_IMPL_OVERLOAD(m, "index_fill_.int_Tensor", index_fill__int_Tensor, at::native::index_fill_);
  METAL_IMPL(m, "take", at::native::take);
  METAL_IMPL(m, "take.out", at::native::take_out);
  METAL_IMPL(m, "put_", at::native::put_);
}

}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(index_stub, &torch_metal::index_stub_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_put_stub, &torch_metal::index_put_stub_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_put_with_sort_stub, &torch_metal::index_put_with_sort_stub_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_fill_stub, &torch_metal::index_fill_stub_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(index_copy_stub, &torch_metal::index_copy_stub_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(take_stub, &torch_metal::take_stub_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(put_stub, &torch_metal::put_stub_kernel)
}  // namespace at::native
