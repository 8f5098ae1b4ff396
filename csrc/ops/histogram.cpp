// Histograms in any number of dimensions, and counts of integers (bincount). PyTorch's own functions check arguments and
// make the edges of the bins.
#include <ATen/Dispatch.h>
#include <ATen/native/Histogram.h>
#include <ATen/ops/_histogramdd_bin_edges_native.h>
#include <ATen/ops/_histogramdd_from_bin_cts_native.h>
#include <ATen/ops/_histogramdd_from_bin_tensors_native.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/histc_native.h>
#include <ATen/ops/histogram_native.h>
#include <ATen/ops/zeros.h>

#include "histogram_params.h"
#include "ops/registration.h"
#include "runtime/host_route.h"
#include "runtime/launch.h"
#include "runtime/operator_wait.h"

namespace torch_metal {
namespace {

using at::Tensor;
using at::TensorList;
using OptionalTensor = std::optional<Tensor>;

/// The number of the bin that each point (a row) is in, or -1.
Tensor places_of(const Tensor& points, TensorList edges, BinSearch search) {
  const int64_t count = points.size(0), dimensions = points.size(1);
  TORCH_CHECK_NOT_IMPLEMENTED(count < (int64_t{1} << 32), "metal: histogram of more than 2^32 points");
  const Tensor places = at::empty({count}, points.options().dtype(at::kLong));
  for (int64_t d = 0; d < dimensions; ++d) {
    const HistogramParams params{dimensions, uint32_t(edges[d].numel() - 1), search, d == 0};
    launch_threads(kernel("histogram", "refine_places", {metal_type(points.scalar_type())}), {uint64_t(count)}, {256},
                   places, points.select(1, d), edges[d].contiguous(), params);
  }
  return places;
}

/// How often each of 0, 1, ... bins - 1 is among the values (a vector of integers); negative ones are left out.
Tensor counts_of(const Tensor& values, int64_t bins) {
  const int64_t size = values.numel();
  TORCH_CHECK_NOT_IMPLEMENTED(size < (int64_t{1} << 32), "metal: counts of more than 2^32 values");
  if (size == 0 || bins == 0) return at::zeros({bins}, values.options().dtype(at::kLong));
  constexpr uint64_t kThreads = 256, kMaxGroups = 256;
  // A group has a good deal more values than counts of its own.
  const uint64_t least = std::max(4 * kThreads, 32 * std::min<uint64_t>(bins, kGroupBins));
  const uint64_t groups = std::min<uint64_t>(kMaxGroups, (size + least - 1) / least);
  const CountParams params{uint64_t(size), (size + groups - 1) / groups, uint64_t(bins)};
  if (groups == 1 && bins <= kGroupBins) {
    const Tensor counts = at::empty({bins}, values.options().dtype(at::kLong));
    launch_groups(kernel("histogram", "count_few_values", {metal_type(values.scalar_type())}), {1}, {kThreads},
                  values.contiguous(), counts, params);
    return counts;
  }
  const Tensor counts = at::zeros({bins}, values.options().dtype(at::kInt));  // the device has no 64-bit atomics
  launch_groups(kernel("histogram", "count_values", {metal_type(values.scalar_type())}), {groups}, {kThreads},
                values.contiguous(), counts, params);
  return counts.to(at::kLong).bitwise_and_(0xffffffff);
}

/// Divides by the sum and by the volume of each bin.
void make_density(Tensor& hist, TensorList edges) {
  hist.div_(hist.sum());
  for (size_t d = 0; d < edges.size(); ++d) {
    std::vector<int64_t> shape(edges.size(), 1);
    shape[d] = hist.size(d);
    hist.div_(edges[d].diff().reshape(shape));
  }
}

void count_points(const Tensor& self, const OptionalTensor& weight, bool density, Tensor& hist, TensorList edges,
                  BinSearch search) {
  const Tensor points = self.reshape({-1, self.size(-1)}).contiguous();
  if (points.numel() == 0) {
    hist.zero_();
  } else if (weight && weight->defined()) {
    // What is in no bin is added up before the first one.
    const Tensor sums = at::zeros({hist.numel() + 1}, hist.options().dtype(at::kFloat));
    sums.index_add_(0, places_of(points, edges, search).add_(1), weight->reshape(-1).to(at::kFloat));
    hist.copy_(sums.slice(0, 1).reshape(hist.sizes()));
  } else {
    hist.copy_(counts_of(places_of(points, edges, search), hist.numel()).reshape(hist.sizes()));
  }
  if (density) make_density(hist, edges);
}

/// The least and the greatest of some integers.
struct Range {
  int64_t low, high;
};

/// Waits for them: the host looks through few integers sooner than a kernel is started.
Range range_of(const Tensor& values) {
  constexpr int64_t kFew = 1 << 12;
  if (values.numel() > kFew) {
    const auto [low, high] = at::aminmax(values);
    return {low.item<int64_t>(), high.item<int64_t>()};
  }
  wait_for_operator();
  const Tensor few = cpu_alias(values).contiguous();
  return AT_DISPATCH_INTEGRAL_TYPES(few.scalar_type(), "bincount", [&]() -> Range {
    const scalar_t* const numbers = few.const_data_ptr<scalar_t>();
    scalar_t low = numbers[0], high = numbers[0];
    for (int64_t i = 1; i < few.numel(); ++i) {
      low = std::min(low, numbers[i]);
      high = std::max(high, numbers[i]);
    }
    return {low, high};
  });
}

Tensor bincount(const Tensor& self, const OptionalTensor& weights, int64_t minlength) {
  TORCH_CHECK(minlength >= 0, "minlength should be >= 0");
  TORCH_CHECK(self.dim() == 1 && at::isIntegralType(self.scalar_type(), /*includeBool=*/false),
              "bincount only supports 1-d non-negative integral inputs.");
  const bool weighted = weights && weights->defined();
  TORCH_CHECK(!weighted || weights->sizes() == self.sizes(), "weights should be 1-d and have the same length as input");
  int64_t bins = minlength;
  if (self.numel() > 0) {
    const Range range = range_of(self);
    TORCH_CHECK(range.low >= 0, "bincount only supports 1-d non-negative integral inputs.");
    bins = std::max(bins, range.high + 1);
  }
  if (!weighted) return counts_of(self, bins);
  // PyTorch sums weights of any dtype but float32 in float64.
  const Tensor counted = weights->to(weights->scalar_type() == at::kFloat ? at::kFloat : at::kDouble);
  return at::zeros({bins}, counted.options()).index_add_(0, self.to(at::kLong), counted);
}

void histogramdd(const Tensor& self, const OptionalTensor& weight, bool density, Tensor& hist,
                 const TensorList& edges) {
  count_points(self, weight, density, hist, edges, kBinarySearch);
}

void histogramdd_linear(const Tensor& self, const OptionalTensor& weight, bool density, Tensor& hist,
                        const TensorList& edges, bool local_search) {
  count_points(self, weight, density, hist, edges, local_search ? kLinearThenCompare : kLinear);
}

void select_outer_bin_edges(const Tensor& input, int64_t, std::vector<double>& leftmost,
                            std::vector<double>& rightmost) {
  const auto [low, high] = at::aminmax(input, 0);
  const auto numbers = [](const Tensor& t) {
    const Tensor wide = t.to(at::kCPU, at::kDouble);
    return std::vector<double>(wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel());
  };
  leftmost = numbers(low);
  rightmost = numbers(high);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(histogramdd_stub, &torch_metal::histogramdd)
REGISTER_PRIVATEUSE1_DISPATCH(histogramdd_linear_stub, &torch_metal::histogramdd_linear)
REGISTER_PRIVATEUSE1_DISPATCH(histogram_select_outer_bin_edges_stub, &torch_metal::select_outer_bin_edges)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "bincount", bincount);
  METAL_IMPL(m, "histc", at::native::histogram_histc);
  METAL_IMPL(m, "histc.out", at::native::histogram_histc_out);
  METAL_IMPL_OVERLOAD(m, "histogram.bins_tensor", histogram_bins_tensor, at::native::histogram);
  METAL_IMPL_OVERLOAD(m, "histogram.bins_tensor_out", histogram_bins_tensor_out, at::native::histogram_out);
  METAL_IMPL_OVERLOAD(m, "histogram.bin_ct", histogram_bin_ct, at::native::histogram);
  METAL_IMPL_OVERLOAD(m, "histogram.bin_ct_out", histogram_bin_ct_out, at::native::histogram_out);
  METAL_IMPL(m, "_histogramdd_bin_edges", at::native::histogramdd_bin_edges);
  METAL_IMPL_OVERLOAD(m, "_histogramdd_from_bin_cts", _histogramdd_from_bin_cts, at::native::_histogramdd);
  METAL_IMPL_OVERLOAD(m, "_histogramdd_from_bin_tensors", _histogramdd_from_bin_tensors, at::native::_histogramdd);
}

}  // namespace torch_metal
