// Reductions: sums, products, extrema, variances, norms. PyTorch's own functions build the iterators.
#include <ATen/Dispatch.h>
#include <ATen/native/ReduceAllOps.h>
#include <ATen/native/ReduceOps.h>
#include <ATen/native/ReduceOpsUtils.h>
#include <ATen/native/TensorCompare.h>

#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/structured.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::OptionalIntArrayRef;
using at::Scalar;
using at::Tensor;
using at::TensorIterator;
using at::native::make_reduction;

template <detail::OperatorName name>
void reduce(TensorIterator& iterator) {
  launch_reduction(iterator, {.name = name.text});
}

void std_var(TensorIterator& iterator, double correction, bool take_sqrt) {
  launch_reduction(iterator,
                   {.name = "var_op", .value = correction, .mode = take_sqrt ? kStandardDeviation : kVariance});
}

void vector_norm(TensorIterator& iterator, const Scalar& ord) {
  const double p = ord.toDouble();
  if (iterator.numel() == 0) {
    iterator.output().fill_(p < 0 ? INFINITY : 0);
    return;
  }
  const std::string_view name = p == 0           ? "norm0_op"
                                : p == 1         ? "norm1_op"
                                : p == 2         ? "norm2_op"
                                : p == INFINITY  ? "norm_max_op"
                                : p == -INFINITY ? "norm_min_op"
                                                 : "norm_op";
  launch_reduction(iterator, {.name = name, .value = p});
}

/// `result` of a reduction of `self` over `dim`, with that dimension present.
Tensor keep_dim(const Tensor& result, const Tensor& self, int64_t dim, bool keepdim) {
  return keepdim || self.dim() == 0 ? result : result.unsqueeze(dim);
}

template <detail::OperatorName name>
void reduce_dim(const Tensor& first, const Tensor& second, const Tensor& self, int64_t dim, bool keepdim) {
  const auto iterator =
      reduction_iterator({keep_dim(first, self, dim, keepdim), keep_dim(second, self, dim, keepdim)}, {self});
  launch_reduction(iterator, {.name = name.text});
}

template <detail::OperatorName name, detail::OperatorName in_errors>
void reduce_all(Tensor& result, const Tensor& self) {
  check_domain(in_errors.text, Domain::ordered, self.scalar_type());
  const auto iterator = make_reduction(name.text, result, self, {}, /*keepdim=*/false, self.scalar_type());
  launch_reduction(iterator, {.name = name.text});
}

void aminmax_dim(const Tensor& self, int64_t dim, bool keepdim, Tensor& min, Tensor& max) {
  reduce_dim<"aminmax_op">(min, max, self, dim, keepdim);
}
void aminmax_all(const Tensor& self, Tensor& min, Tensor& max) {
  check_domain("aminmax", Domain::ordered, self.scalar_type());
  const auto iterator = make_reduction("aminmax", min, max, self, {}, /*keepdim=*/false, self.scalar_type());
  launch_reduction(iterator, {.name = "aminmax_op"});
}

// Meta functions that wrap the dimension beforehand hand it over as a precomputed value.

template <class Meta, detail::OperatorName name>
struct ExtremumDim : Meta {
  void impl(const typename Meta::meta_return_ty& wrapped, const Tensor& self, int64_t, bool keepdim,
            const Tensor& values, const Tensor& indices) {
    if (self.numel() == 0) return;
    reduce_dim<name>(values, indices, self, wrapped.dim, keepdim);
  }
};

using MaxDim = ExtremumDim<at::meta::structured_max_dim, "max_dim_op">;
using MinDim = ExtremumDim<at::meta::structured_min_dim, "min_dim_op">;

Tensor count_nonzero(const Tensor& self, IntArrayRef dim) {
  Tensor result = at::empty({0}, self.options().dtype(at::kLong));
  const auto iterator =
      make_reduction("count_nonzero", result, self, dim, /*keepdim=*/false, self.scalar_type(), at::kLong);
  if (iterator.numel() == 0) return result.zero_();
  launch_reduction(iterator, {.name = "count_nonzero_op"});
  return result;
}

bool equal(const Tensor& self, const Tensor& other) {
  TORCH_CHECK(self.device() == other.device(), "Cannot compare two tensors on different devices. Got: ", self.device(),
              " and ", other.device());
  TORCH_CHECK(self.scalar_type() == other.scalar_type(), "Expected all tensors to have the same dtype, but got ",
              self.scalar_type(), " and ", other.scalar_type());
  return self.is_same_size(other) && (self.numel() == 0 || self.eq(other).all().item<bool>());
}

Tensor trace(const Tensor& self) {
  TORCH_CHECK(self.dim() == 2, "trace: expected a matrix, but got tensor with dim ", self.dim());
  return self.diagonal().sum();
}

/// Whether a sum of `from`, each converted to `to`, is their own sum, converted.
bool sums_convert(at::ScalarType from, at::ScalarType to) {
  return (at::isIntegralType(from, /*includeBool=*/true) && at::isIntegralType(to, /*includeBool=*/false)) ||
         (at::isFloatingType(from) && at::isFloatingType(to));
}

struct Sum : at::native::structured_sum_out {
  /// PyTorch converts the input beforehand, which for masks and bytes takes eight times their memory.
  void impl(const Tensor& self, OptionalIntArrayRef dim, bool keepdim, std::optional<at::ScalarType> dtype,
            const Tensor& out) {
    if (self.numel() == 0 || !sums_convert(self.scalar_type(), out.scalar_type()))
      return structured_sum_out::impl(self, dim, keepdim, dtype, out);
    Tensor result = out;
    launch_reduction(make_reduction("sum", result, self, dim, keepdim, self.scalar_type(), out.scalar_type()),
                     {.name = "sum_op"});
  }
};

// A result that the GPU has no type for is computed from a converted input, on the host.

Tensor prod(const Tensor& self, std::optional<at::ScalarType> dtype) {
  if (dtype == at::kDouble || dtype == at::kComplexDouble) return self.to(*dtype).prod();
  return at::native::prod(self, dtype);
}
Tensor nansum(const Tensor& self, OptionalIntArrayRef dim, bool keepdim, std::optional<at::ScalarType> dtype) {
  if (dtype == at::kDouble) return self.to(*dtype).nansum(dim, keepdim);
  return at::native::nansum(self, dim, keepdim, dtype);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
using namespace torch_metal;
REGISTER_PRIVATEUSE1_DISPATCH(sum_stub, &reduce<"sum_op">)
REGISTER_PRIVATEUSE1_DISPATCH(nansum_stub, &reduce<"nansum_op">)
REGISTER_PRIVATEUSE1_DISPATCH(prod_stub, &reduce<"prod_op">)
REGISTER_PRIVATEUSE1_DISPATCH(xor_sum_stub, &reduce<"xor_op">)
REGISTER_PRIVATEUSE1_DISPATCH(mean_stub, &reduce<"mean_op">)
REGISTER_PRIVATEUSE1_DISPATCH(and_stub, &reduce<"all_op">)
REGISTER_PRIVATEUSE1_DISPATCH(or_stub, &reduce<"any_op">)
REGISTER_PRIVATEUSE1_DISPATCH(max_values_stub, &reduce<"max_op">)
REGISTER_PRIVATEUSE1_DISPATCH(min_values_stub, &reduce<"min_op">)
REGISTER_PRIVATEUSE1_DISPATCH(argmax_stub, &reduce<"argmax_op">)
REGISTER_PRIVATEUSE1_DISPATCH(argmin_stub, &reduce<"argmin_op">)
REGISTER_PRIVATEUSE1_DISPATCH(std_var_stub, &std_var)
REGISTER_PRIVATEUSE1_DISPATCH(norm_stub, &vector_norm)
REGISTER_PRIVATEUSE1_DISPATCH(max_all_stub, (&reduce_all<"max_op", "max_all">))
REGISTER_PRIVATEUSE1_DISPATCH(min_all_stub, (&reduce_all<"min_op", "min_all">))
REGISTER_PRIVATEUSE1_DISPATCH(aminmax_stub, &aminmax_dim)
REGISTER_PRIVATEUSE1_DISPATCH(aminmax_allreduce_stub, &aminmax_all)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "sum.IntList_out", Sum);
  METAL_STRUCTURED(m, "mean.out", mean_out);
  METAL_STRUCTURED(m, "prod.int_out", prod_out);
  METAL_STRUCTURED(m, "hash_tensor.out", hash_tensor_out);
  METAL_IMPL(m, "prod", prod);
  METAL_IMPL(m, "equal", equal);
  METAL_IMPL(m, "trace", trace);
  METAL_IMPL(m, "nansum", nansum);
  METAL_IMPL(m, "nansum.out", at::native::nansum_out);
  METAL_IMPL(m, "count_nonzero.dim_IntList", count_nonzero);

  METAL_STRUCTURED(m, "all.out", all_out);
  METAL_STRUCTURED(m, "all.dims_out", all_dims_out);
  METAL_STRUCTURED(m, "all.all_out", all_all_out);
  METAL_STRUCTURED(m, "any.out", any_out);
  METAL_STRUCTURED(m, "any.dims_out", any_dims_out);
  METAL_STRUCTURED(m, "any.all_out", any_all_out);

  METAL_STRUCTURED(m, "amax.out", amax_out);
  METAL_STRUCTURED(m, "amin.out", amin_out);
  METAL_STRUCTURED(m, "aminmax.out", aminmax_out);
  METAL_IMPL(m, "_aminmax", at::native::_aminmax_all);
  METAL_IMPL(m, "_aminmax.dim", at::native::_aminmax);
  METAL_STRUCTURED(m, "argmax.out", argmax_out);
  METAL_STRUCTURED(m, "argmin.out", argmin_out);
  METAL_STRUCTURED_CLASS(m, "max.dim_max", MaxDim);
  METAL_STRUCTURED_CLASS(m, "min.dim_min", MinDim);
  METAL_IMPL_OVERLOAD(m, "max", max, at::native::max);
  METAL_IMPL_OVERLOAD(m, "min", min, at::native::min);
  METAL_IMPL(m, "max.unary_out", at::native::max_unary_out);
  METAL_IMPL(m, "min.unary_out", at::native::min_unary_out);

  METAL_IMPL_OVERLOAD(m, "var.correction", var_correction, at::native::var);
  METAL_IMPL_OVERLOAD(m, "var.correction_out", var_correction_out, at::native::var_out);
  METAL_IMPL_OVERLOAD(m, "std.correction", std_correction, at::native::std);
  METAL_IMPL_OVERLOAD(m, "std.correction_out", std_correction_out, at::native::std_out);
  METAL_IMPL_OVERLOAD(m, "var_mean.correction", var_mean_correction, at::native::var_mean);
  METAL_IMPL_OVERLOAD(m, "std_mean.correction", std_mean_correction, at::native::std_mean);

  METAL_STRUCTURED(m, "linalg_vector_norm.out", linalg_vector_norm_out);
  METAL_STRUCTURED(m, "norm.out", norm_out);
  METAL_STRUCTURED(m, "norm.dtype_out", norm_dtype_out);
}

}  // namespace torch_metal
