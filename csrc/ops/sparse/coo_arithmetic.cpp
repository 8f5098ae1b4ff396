// COO tensors: one entry a place, sums, and what two tensors have in common.
#include <ATen/ExpandUtils.h>
#include <ATen/native/SparseTensorUtils.h>
#include <ATen/ops/index_put.h>
#include <ATen/ops/_sparse_mask_projection_native.h>
#include <ATen/ops/mul_native.h>
#include <ATen/ops/sparse_mask_native.h>

#include "ops/registration.h"
#include "ops/sparse/coo.h"

// PyTorch's stubs behind sparse_mask and _sparse_mask_projection, which no header that it ships declares. They get the
// result, the tensor that is looked into (sorted, and called coalesced though it may have several entries a place), the
// tensor whose places the result has, and the keys of the former if they are known.
namespace at::native {
using sparse_mask_fn = void (*)(Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&);
using sparse_projection_fn = void (*)(Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, bool);
using flatten_indices_fn = Tensor (*)(const Tensor&, IntArrayRef);
DECLARE_DISPATCH(sparse_mask_fn, sparse_mask_intersection_out_stub)
DECLARE_DISPATCH(sparse_projection_fn, sparse_mask_projection_out_stub)
DECLARE_DISPATCH(flatten_indices_fn, flatten_indices_stub)
}  // namespace at::native

namespace torch_metal {
namespace {

using at::Tensor;

at::IntArrayRef sparse_sizes(const Tensor& self) { return self.sizes().slice(0, self.sparse_dim()); }
Tensor keys_of(const Tensor& self) { return flat_indices(self._indices(), sparse_sizes(self)); }

Tensor coalesce(const Tensor& self) {
  if (self._nnz() < 2) return self.clone()._coalesced_(true);
  const Groups groups(keys_of(self));
  const Tensor first = groups.order.index_select(0, groups.runs.starts());
  return make_coo(self._indices().index_select(1, first), reduce_groups("sum_op", groups, self._values()), self.sizes(),
                  true);
}

void check_can_add(const Tensor& self, const Tensor& other, const Tensor& result) {
  const auto dtype = at::result_type(self, other);
  TORCH_CHECK(at::canCast(dtype, result.scalar_type()), "Can't convert result type ", dtype, " to output ",
              result.scalar_type(), " in add operation");
  TORCH_CHECK(self.sizes() == other.sizes(), "add: expected sizes of 'self' and 'other' to match, but ", self.sizes(),
              " != ", other.sizes());
  TORCH_CHECK(self.device() == other.device() && self.device() == result.device(),
              "add: expected all tensors to be on the same device, but got ", self.device(), ", ", other.device(),
              " and ", result.device());
}

void add_to_dense(const Tensor& self, const Tensor& other, const at::Scalar& alpha, Tensor& result) {
  const auto dtype = at::result_type(self, other);
  const bool in_place = result.is_same(self) && result.scalar_type() == dtype;
  const Tensor sum = in_place ? result : self.to(dtype, /*non_blocking=*/false, /*copy=*/true);
  if (other._nnz() > 0) {
    Tensor values = other._values().to(dtype);
    if (!alpha.equal(1)) values = values.mul(alpha);
    c10::List<std::optional<Tensor>> places;
    for (const Tensor& index : other._indices().unbind(0)) places.push_back(index);
    if (places.empty()) {
      sum.add_(values.sum(0, false, dtype));
    } else {
      sum.index_put_(places, values, /*accumulate=*/true);
    }
  }
  if (in_place) return;
  result.resize_as_(self);
  result.copy_(sum);
}

Tensor& add_out(const Tensor& self, const Tensor& other, const at::Scalar& alpha, Tensor& result) {
  TORCH_CHECK(other.is_sparse(), "add(sparse, dense) is not supported. Use add(dense, sparse) instead.");
  check_can_add(self, other, result);
  if (!self.is_sparse()) {
    add_to_dense(self, other, alpha, result);
    return result;
  }
  const auto dtype = at::result_type(self, other);
  const Tensor addend = other._nnz() > 0 && !alpha.equal(1) ? other.mul(alpha) : other;
  if (other._nnz() == 0 || self._nnz() == 0) {
    const Tensor& sum = other._nnz() == 0 ? self : addend;
    assign_coo(result, sum._indices().clone(), sum._values().to(result.scalar_type(), false, /*copy=*/true),
               sum.sizes(), sum.is_coalesced());
    return result;
  }
  TORCH_CHECK(at::sparse::is_same_density(self, other),
              "add: expected 'self' and 'other' to have same density, but 'self' has ", self.sparse_dim(),
              " sparse dimensions while 'other' has ", other.sparse_dim(), " sparse dimensions");
  TORCH_CHECK_NOT_IMPLEMENTED(dtype != at::kBool, "\"cadd_sparse\" not implemented for 'Bool'");
  Tensor sum = make_coo(at::cat({self._indices(), other._indices()}, 1),
                        at::cat({self._values().to(dtype), addend._values().to(dtype)}, 0), self.sizes(), false);
  // Coalesced terms have a coalesced sum; others may pile up, but not beyond what a dense tensor has.
  if ((self.is_coalesced() && other.is_coalesced()) || sum._nnz() > sum.numel()) sum = sum.coalesce();
  assign_coo(result, sum._indices(), sum._values(), sum.sizes(), sum.is_coalesced());
  return result;
}

/// Coalesced factors have a coalesced product, of the places that both have. Otherwise it has the places of one that is
/// not, each multiplied by the sum of what the other has there.
void multiply_sparse(const Tensor& a, const Tensor& b, Tensor& result) {
  TORCH_CHECK(a.sizes() == b.sizes(), "mul: expected 'self' and 'other' to have same sizes when both are sparse, but ",
              a.sizes(), " != ", b.sizes());
  TORCH_CHECK(a.sparse_dim() == b.sparse_dim(),
              "mul: expected 'self' and 'other' to have as many sparse dimensions, but ", a.sparse_dim(), " != ", b.sparse_dim());
  const auto dtype = at::result_type(a, b);
  TORCH_CHECK(at::canCast(dtype, result.scalar_type()), "Can't convert result type ", dtype, " to output ",
              result.scalar_type(), " in mul operation");
  const bool keep_a = !a.is_coalesced() || b.is_coalesced();
  const Tensor kept = keep_a ? a : b, other = (keep_a ? b : a).to(dtype).coalesce();
  const Tensor values = kept._values().to(dtype), factors = other._values();
  const Matches matches(keys_of(other), keys_of(kept));
  if (!kept.is_coalesced()) {
    assign_coo(result, kept._indices().clone(), values.mul(matches.take_or_zero(factors)), kept.sizes(), false);
    return;
  }
  const Tensor both = matches.found.nonzero().flatten();
  const Tensor product =
      values.index_select(0, both).mul(factors.index_select(0, matches.position.index_select(0, both)));
  assign_coo(result, kept._indices().index_select(1, both), product, kept.sizes(), true);
}

Tensor& mul_out(const Tensor& self, const Tensor& other, Tensor& result) {
  if (self.is_sparse() && other.is_sparse() && self.dim() > 0 && other.dim() > 0) {
    multiply_sparse(self, other, result);
    return result;
  }
  return at::native::mul_out_sparse_cpu(self, other, result);  // not for the CPU alone, where one is dense
}

/// What `source` has at the places of `target`: the sum of its entries, or their number.
struct Found {
  Found(const Tensor& source, const Tensor& target)
      : groups(keys_of(source)),
        matches(groups.keys.index_select(0, groups.runs.starts()), keys_of(target)),
        source(source) {}
  Tensor sum() const { return matches.take_or_zero(reduce_groups("sum_op", groups, source._values())); }
  Tensor count() const { return matches.take_or_zero(groups.runs.lengths()); }

  Groups groups;
  Matches matches;
  Tensor source;
};

void mask_intersection(Tensor& result, const Tensor& source, const Tensor& mask, const std::optional<Tensor>&) {
  assign_coo(result, mask._indices().clone(), Found(source, mask).sum(), mask.sizes(), mask.is_coalesced());
}

/// `self` where the mask has a place, 0 elsewhere; multiplied by how often the mask has it if matches accumulate.
void mask_projection(Tensor& result, const Tensor& mask, const Tensor& self, const std::optional<Tensor>&,
                     bool accumulate) {
  const Tensor& values = self._values();
  Tensor factors = Found(mask, self).count();
  if (!accumulate) factors = factors.clamp_max(1);
  at::DimVector broadcast(values.dim(), 1);
  broadcast[0] = self._nnz();
  assign_coo(result, self._indices().clone(), values.mul(factors.to(values.scalar_type()).view(broadcast)),
             self.sizes(), self.is_coalesced());
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, SparsePrivateUse1, m) {
  METAL_IMPL(m, "_coalesce", coalesce);
  METAL_IMPL(m, "add.out", add_out);
  METAL_IMPL(m, "mul.out", mul_out);
  METAL_IMPL(m, "sparse_mask", at::native::sparse_mask);
  METAL_IMPL(m, "_sparse_mask_projection", at::native::sparse_mask_projection);
}

}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(sparse_mask_intersection_out_stub, &torch_metal::mask_intersection)
REGISTER_PRIVATEUSE1_DISPATCH(sparse_mask_projection_out_stub, &torch_metal::mask_projection)
REGISTER_PRIVATEUSE1_DISPATCH(flatten_indices_stub, &torch_metal::flat_indices)
}  // namespace at::native
