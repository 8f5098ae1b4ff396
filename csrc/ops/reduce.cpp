#include "ops/reduce.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "ops/narrow.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

constexpr int64_t kRowChunk = 65536;    // elements that a threadgroup adds up: bounds the rounding error too
constexpr int64_t kColumnChunk = 1024;  // elements that a thread adds up
constexpr int64_t kGroups = 64;         // threadgroups worth having
constexpr int64_t kMinRowChunk = 4096;
constexpr int64_t kMinColumnChunk = 64;
constexpr int64_t kLongChunk = 8192;    // elements that are worth a second SIMD-group, and so a barrier

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// A dimension with at least this many elements fills a SIMD-group.
bool fills_simdgroup(int64_t size) { return size >= kSimdWidth; }

uint32_t narrow(int64_t value) {
  return torch_metal::narrow(value, "the number of elements of a reduction's dimensions, other than the innermost");
}

/// The shape of a reduction, and how its work is split into threadgroups.
class Plan {
 public:
  Plan(const at::TensorIteratorBase& iterator, const ReductionOp& op) : iterator_(iterator) {
    TORCH_INTERNAL_ASSERT(iterator.ninputs() <= int(kReductionMaxInputs) &&
                          iterator.noutputs() <= int(kReductionMaxOutputs));
    collect_dims();
    fill_strides();
    choose_splits();
    params.value = static_cast<float>(op.value);
    params.mode = op.mode;
    params.has_out2 = iterator.noutputs() > 1;
  }

  ReductionParams params{};
  bool columns = false;  // lanes run along a kept dimension
  uint32_t threads = 32;

  Extent grid() const {
    if (!columns) return {params.outputs, params.splits, 1};
    const uint32_t size = params.sizes[params.reduced];
    return {(size + threads - 1) / threads, params.outputs / size, params.splits};
  }

 private:
  int64_t stride(int operand, int dim) const {
    return dim == kNoDim ? 0 : iterator_.strides(operand)[dim] / int64_t(iterator_.element_size(operand));
  }
  int64_t size(int dim) const { return dim == kNoDim ? 1 : iterator_.shape()[dim]; }

  // Lanes take the dimension with the smallest stride that fills a SIMD-group, else the largest.
  void lane_dimension_first(std::vector<int>& dims) const {
    if (dims.empty()) dims.push_back(kNoDim);
    const int input = iterator_.noutputs();
    const auto better = [&](int a, int b) {
      if (fills_simdgroup(size(a)) && fills_simdgroup(size(b))) return stride(input, a) < stride(input, b);
      return size(a) > size(b);
    };
    std::iter_swap(dims.begin(), std::min_element(dims.begin(), dims.end(), better));
  }

  void collect_dims() {
    std::vector<int> reduced, kept;
    for (int dim = 0; dim < iterator_.ndim(); ++dim) {
      if (iterator_.shape()[dim] == 1) continue;
      (iterator_.strides(0)[dim] == 0 ? reduced : kept).push_back(dim);
    }
    lane_dimension_first(reduced);
    lane_dimension_first(kept);
    params.reduced = reduced.size();
    dims_ = std::move(reduced);
    dims_.insert(dims_.end(), kept.begin(), kept.end());
    TORCH_CHECK_NOT_IMPLEMENTED(dims_.size() <= kReductionMaxDims, "metal: a reduction over ", dims_.size(),
                                " dimensions that cannot be merged; at most ", uint32_t(kReductionMaxDims));
    params.dims = dims_.size();
  }

  void fill_strides() {
    int64_t outer = 1, outputs = 1;
    for (uint32_t d = 0; d < params.dims; ++d) {
      if (d > 0) {
        params.sizes[d] = narrow(size(dims_[d]));
        (d < params.reduced ? outer : outputs) *= size(dims_[d]);
      }
      for (int i = 0; i < iterator_.noutputs(); ++i) params.output_strides[i][d] = stride(i, dims_[d]);
      for (int i = 0; i < iterator_.ninputs(); ++i)
        params.input_strides[i][d] = stride(iterator_.noutputs() + i, dims_[d]);
    }
    params.inner_size = size(dims_[0]);
    params.outer_size = narrow(outer);
    params.outputs = narrow(outputs);
    params.count = params.inner_size * outer;
  }

  void choose_splits() {
    const int64_t lanes = params.sizes[params.reduced];
    const int64_t kept_stride = params.input_strides[0][params.reduced];
    columns = fills_simdgroup(lanes) && (kept_stride <= params.input_strides[0][0] || !fills_simdgroup(params.count));
    const int64_t groups = columns ? ceil_div(lanes, 2 * kSimdWidth) * (params.outputs / lanes) : params.outputs;
    const int64_t smallest = columns ? kMinColumnChunk : kMinRowChunk;
    const int64_t largest = columns ? kColumnChunk : kRowChunk;
    const int64_t splits = std::max<int64_t>(1, std::min(kGroups / groups, params.count / smallest));
    const int64_t chunk = std::min(largest, ceil_div(params.count, splits));
    const int64_t inner_chunk = std::min(chunk, params.inner_size);
    const int64_t outer_chunk = std::max<int64_t>(1, chunk / inner_chunk);
    params.inner_chunk = inner_chunk;
    params.outer_chunk = outer_chunk;
    params.inner_splits = narrow(ceil_div(params.inner_size, inner_chunk));
    params.splits = narrow(params.inner_splits * ceil_div(params.outer_size, outer_chunk));
    threads = (columns ? lanes > kSimdWidth : inner_chunk * outer_chunk > kLongChunk) ? 2 * kSimdWidth : kSimdWidth;
    params.wide = inner_chunk >= threads;
  }

  static constexpr int kNoDim = -1;
  const at::TensorIteratorBase& iterator_;
  std::vector<int> dims_;
};

template <size_t... input>
void launch_first_pass(const Kernel& k, const Plan& plan, const at::TensorIteratorBase& it, const BufferRange& out2,
                       const BufferRange& partials, std::index_sequence<input...>) {
  launch_groups(k, plan.grid(), {plan.threads}, operand(it, it.noutputs() + int(input))..., operand(it, 0), out2,
                partials, plan.params);
}

}  // namespace

namespace {

/// Outputs for which a grid of rows has room.
constexpr int64_t kMaxOutputs = kMaxGridThreads / (2 * kSimdWidth);

/// A kept dimension along which a reduction is to be split, since it has more outputs than kernels count or more
/// dimensions than they walk; -1 if it can be run as it is.
int dimension_to_split(const at::TensorIteratorBase& iterator) {
  int largest = -1, kept = 0, reduced = 0;
  int64_t outputs = 1;
  for (int d = 0; d < iterator.ndim(); ++d) {
    const int64_t size = iterator.shape()[d];
    if (size == 1) continue;
    if (iterator.strides(0)[d] == 0) {
      ++reduced;
      continue;
    }
    ++kept;
    outputs *= size;
    if (largest < 0 || size > iterator.shape()[largest]) largest = d;
  }
  const int dims = std::max(1, kept) + std::max(1, reduced);
  return outputs > kMaxOutputs || dims > int(kReductionMaxDims) ? largest : -1;
}

}  // namespace

void launch_reduction(const at::TensorIteratorBase& iterator, const ReductionOp& op) {
  if (iterator.numel() == 0) return;
  if (const int dim = dimension_to_split(iterator); dim >= 0) {
    const int64_t size = iterator.shape()[dim], half = size / 2;
    for (const auto& [begin, count] : {std::pair{int64_t{0}, half}, std::pair{half, size - half}}) {
      at::TensorIterator part(iterator);
      part.narrow(dim, begin, count);
      launch_reduction(part, op);
    }
    return;
  }
  const Plan plan(iterator, op);
  const ReductionParams& params = plan.params;
  const std::string name = std::string(op.name) + "<" + std::string(metal_type(iterator.input_dtype())) + ", " +
                           std::string(metal_type(iterator.dtype(0))) + ">";

  // What an operator does not use is bound to its output.
  const BufferRange out = operand(iterator, 0);
  const BufferRange out2 = iterator.noutputs() > 1 ? operand(iterator, 1) : out;
  at::Tensor partials;
  if (params.splits > 1) {
    const int64_t count = int64_t(params.splits) * params.outputs;
    partials = at::empty({count * kReductionPartialBytes}, iterator.tensor(0).options().dtype(at::kByte));
  }
  const BufferRange partial_range = partials.defined() ? buffer_range(partials) : out;

  const std::string function = std::string(op.prefix) + (plan.columns ? "_columns" : "_rows");
  const Kernel& first = kernel(op.family, function, {name});
  if (iterator.ninputs() == 1) {
    launch_first_pass(first, plan, iterator, out2, partial_range, std::make_index_sequence<1>());
  } else {
    launch_first_pass(first, plan, iterator, out2, partial_range, std::make_index_sequence<kReductionMaxInputs>());
  }
  if (params.splits > 1)
    launch_groups(kernel(op.family, "reduce_partials", {name}), {params.outputs}, {kSimdWidth}, partial_range, out,
                  out2, params);
}

at::TensorIterator reduction_iterator(at::TensorList outputs, at::TensorList inputs) {
  at::TensorIteratorConfig config;
  for (const at::Tensor& output : outputs) config.add_owned_output(output);
  for (const at::Tensor& input : inputs) config.add_owned_const_input(input);
  return config.set_check_mem_overlap(false)
      .check_all_same_dtype(false)
      .resize_outputs(false)
      .is_reduction(true)
      .build();
}

}  // namespace torch_metal
