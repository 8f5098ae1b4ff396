// index_select of COO tensors, and the gradient of sums over some of their dimensions.
#include <ATen/WrapDimUtils.h>
#include <ATen/WrapDimUtilsMulti.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/searchsorted.h>

#include "ops/registration.h"
#include "ops/sparse/coo.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// Along a sparse dimension: an entry appears once for each time that its coordinate is asked for.
Tensor select_entries(const Tensor& self, int64_t dim, const Tensor& index, at::IntArrayRef sizes) {
  const auto [wanted, places] = index.sort(/*stable=*/true, 0, /*descending=*/false);
  const Tensor coordinate = self._indices()[dim].contiguous();
  const Tensor begin = at::searchsorted(wanted, coordinate);
  const Tensor count = at::searchsorted(wanted, coordinate, false, /*right=*/true) - begin;
  const Tensor entry = at::repeat_interleave(count);
  const Tensor before = count.cumsum(0).sub_(count);
  const Tensor place = at::arange(entry.numel(), entry.options()) - (before - begin).index_select(0, entry);
  Tensor indices = self._indices().index_select(1, entry);
  indices.select(0, dim).copy_(places.index_select(0, place));
  return make_coo(indices, self._values().index_select(0, entry), sizes, false);
}

Tensor index_select(const Tensor& self, int64_t dim, const Tensor& given_index) {
  TORCH_CHECK_INDEX(self.dim() != 0, "index_select() cannot be applied to a 0-dim tensor.");
  TORCH_CHECK_INDEX(given_index.dim() == 1 && given_index.scalar_type() == at::kLong,
                    "index_select() argument index must be 1-D long-tensor.");
  TORCH_CHECK(given_index.layout() == at::kStrided && given_index.device() == self.device(),
              "index_select(): expected a dense index on ", self.device());
  dim = at::maybe_wrap_dim(dim, self.dim());
  const int64_t size = self.size(dim);
  const Tensor out_of_range = given_index.ge(size).logical_or_(given_index.lt(-size)).any();
  TORCH_CHECK_INDEX(!out_of_range.item<bool>(), "index_select(): index out of range for tensor of size ", self.sizes(),
                    " at dimension ", dim);
  const Tensor index = at::where(given_index.lt(0), given_index + size, given_index);
  at::DimVector sizes(self.sizes());
  sizes[dim] = index.numel();
  if (dim < self.sparse_dim()) {
    return select_entries(self, dim, index, sizes);
  }
  return make_coo(self._indices().clone(), self._values().index_select(dim - self.sparse_dim() + 1, index), sizes,
                  self.is_coalesced());
}

/// Which dimensions of a tensor are summed over, as positions in its indices and in its values.
struct SummedDims {
  std::vector<int64_t> kept_sparse;
  std::vector<int64_t> summed_values;  ///< dimension 0 of the values is that of the entries

  SummedDims(const Tensor& input, at::IntArrayRef dims) {
    const auto summed = at::dim_list_to_bitset(dims, input.dim());
    for (int64_t d = 0; d < input.dim(); ++d) {
      if (d < input.sparse_dim() && !summed[d]) kept_sparse.push_back(d);
      if (d >= input.sparse_dim() && summed[d]) summed_values.push_back(d - input.sparse_dim() + 1);
    }
  }
};

/// The keys of entries by some of their dimensions.
Tensor keys_by(const Tensor& input, at::IntArrayRef dims) {
  const Tensor chosen = at::tensor(dims, at::kLong).to(input.device());
  at::DimVector sizes;
  for (const int64_t d : dims) sizes.push_back(input.size(d));
  return flat_indices(input._indices().index_select(0, chosen), sizes);
}

Tensor sum_backward(const Tensor& given_grad, const Tensor& given_input, at::IntArrayRef dims) {
  const Tensor input = given_input.coalesce();
  const SummedDims summed(input, dims);
  const bool keeps_sparse = !summed.kept_sparse.empty();
  TORCH_CHECK(given_grad.is_sparse() == keeps_sparse, "_sparse_sum_backward: expected the gradient to be ",
              keeps_sparse ? "sparse" : "dense since all sparse dims are summed");
  const Tensor source = keeps_sparse ? given_grad.coalesce() : given_grad.unsqueeze(0);
  Tensor values = keeps_sparse ? source._values() : source;
  for (const int64_t d : summed.summed_values) values = values.unsqueeze(d);
  if (keeps_sparse && static_cast<int64_t>(summed.kept_sparse.size()) < input.sparse_dim()) {
    const Matches matches(flat_indices(source._indices(), source.sizes().slice(0, source.sparse_dim())),
                          keys_by(input, summed.kept_sparse));
    values = matches.take_or_zero(values);
  }
  values = values.expand(input._values().sizes()).clone(at::MemoryFormat::Contiguous);
  return make_coo(input._indices().clone(), values, input.sizes(), true);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, SparsePrivateUse1, m) {
  METAL_IMPL(m, "index_select", index_select);
  METAL_IMPL(m, "_sparse_sum_backward", sum_backward);
}

}  // namespace torch_metal
