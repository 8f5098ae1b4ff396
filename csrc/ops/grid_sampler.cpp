// Sampling images and volumes at the points of a grid.
#include <ATen/Context.h>
#include <ATen/native/GridSamplerUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <limits>

#include "grid_sampler_params.h"
#include "ops/registration.h"
#include "ops/volume.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// How a grid is sampled, as every operator is told.
struct Sampling {
  int64_t interpolation;
  int64_t padding;
  bool align_corners;
};

template <int spatial>
void check(const Tensor& input, const Tensor& grid, const Sampling& sampling) {
  at::native::check_grid_sampler_common(input, grid);
  if constexpr (spatial == 2) {
    at::native::check_grid_sampler_2d(input, grid);
  } else {
    at::native::check_grid_sampler_3d(input, grid, sampling.interpolation);
  }
  TORCH_CHECK(sampling.interpolation >= 0 && sampling.interpolation <= 2,
              "grid_sampler(): there is no interpolation mode ", sampling.interpolation);
  TORCH_CHECK(sampling.padding >= 0 && sampling.padding <= 2, "grid_sampler(): there is no padding mode ",
              sampling.padding);
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(input.scalar_type()), "\"grid_sampler\" not implemented for '",
                              input.scalar_type(), "'");
  TORCH_CHECK(input.scalar_type() == grid.scalar_type(), "expected scalar type ", input.scalar_type(), " but found ",
              grid.scalar_type());
}

/// The grid as a volume: its coordinates are channels.
template <int spatial>
Tensor grid_volumes(const Tensor& grid) {
  return as_volumes(grid.movedim(-1, 1), spatial);
}

template <int spatial>
GridSamplerParams parameters(const Tensor& input, const Tensor& grid, const Tensor& output, const Sampling& sampling) {
  const Tensor in = as_volumes(input, spatial), out = as_volumes(output, spatial);
  GridSamplerParams params{};
  int64_t pixels = 1, points = 1;
  for (int d = 0; d < 3; ++d) {
    pixels *= in.size(d + 2);
    points *= out.size(d + 2);
    TORCH_CHECK_NOT_IMPLEMENTED(std::max(pixels, points) <= std::numeric_limits<int32_t>::max(),
                                "grid_sampler on metal: images of 2^31 pixels or more are not implemented");
    params.in[d] = static_cast<int32_t>(in.size(d + 2));
    params.out[d] = Divisor::of(static_cast<uint32_t>(out.size(d + 2)));
  }
  params.channels = static_cast<uint32_t>(in.size(1));
  params.in_layout = layout_of(in);
  params.out_layout = layout_of(out);
  params.grid_layout = layout_of(grid_volumes<spatial>(grid));
  params.padding = static_cast<uint32_t>(sampling.padding);
  params.align_corners = sampling.align_corners;
  return params;
}

template <int spatial>
const Kernel& sampler_kernel(std::string_view function, const Tensor& tensor, const Sampling& sampling) {
  static constexpr std::string_view modes[] = {"linear", "nearest", "cubic"};  // in PyTorch's order
  return kernel("grid_sampler", function,
                {metal_type(tensor.scalar_type()), modes[sampling.interpolation], spatial == 2 ? "2" : "3"});
}

/// One thread a point, which goes through the channels.
Extent points_of(const Tensor& volumes) {
  Extent grid = elements_of(volumes);
  grid.y = 1;
  return grid;
}

constexpr Extent kThreadgroup{64};

template <int spatial>
Tensor grid_sampler(const Tensor& input, const Tensor& grid, int64_t interpolation, int64_t padding,
                    bool align_corners) {
  const Sampling sampling{interpolation, padding, align_corners};
  check<spatial>(input, grid, sampling);
  at::DimVector sizes(grid.sizes());
  sizes.pop_back();
  sizes.insert(sizes.begin() + 1, input.size(1));
  const Tensor output = at::empty(sizes, input.options());
  if (output.numel() == 0) return output;
  launch_threads(sampler_kernel<spatial>("grid_sample", input, sampling), points_of(as_volumes(output, spatial)),
                 kThreadgroup, output, input, grid, parameters<spatial>(input, grid, output, sampling));
  return output;
}

template <int spatial>
std::tuple<Tensor, Tensor> grid_sampler_backward(const Tensor& grad_output, const Tensor& input, const Tensor& grid,
                                                 int64_t interpolation, int64_t padding, bool align_corners,
                                                 std::array<bool, 2> wanted) {
  const Sampling sampling{interpolation, padding, align_corners};
  check<spatial>(input, grid, sampling);
  TORCH_CHECK(grad_output.scalar_type() == input.scalar_type(), "expected scalar type ", input.scalar_type(),
              " but found ", grad_output.scalar_type());
  if (wanted[0]) at::globalContext().alertNotDeterministic("grid_sampler_backward_metal");
  // The gradient of the grid is always computed: PyTorch's contract.
  const Tensor grad_grid = at::empty_like(grid, at::MemoryFormat::Contiguous);
  const Tensor sum = at::zeros(wanted[0] ? input.sizes() : at::IntArrayRef{0}, input.options().dtype(at::kFloat));
  if (grad_output.numel() > 0) {
    GridSamplerParams params = parameters<spatial>(input, grid, grad_output, sampling);
    params.grad_grid_layout = layout_of(grid_volumes<spatial>(grad_grid));
    params.has_grad_in = wanted[0];
    launch_threads(sampler_kernel<spatial>("grid_sample_backward", input, sampling),
                   points_of(as_volumes(grad_output, spatial)), kThreadgroup, sum, grad_grid, grad_output, input, grid,
                   params);
  } else {
    grad_grid.zero_();
  }
  if (!wanted[0]) return {Tensor(), grad_grid};
  return {at::empty_like(input).copy_(sum), grad_grid};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "grid_sampler_2d", grid_sampler<2>);
  METAL_IMPL(m, "grid_sampler_2d_backward", grid_sampler_backward<2>);
  METAL_IMPL(m, "grid_sampler_3d", grid_sampler<3>);
  METAL_IMPL(m, "grid_sampler_3d_backward", grid_sampler_backward<3>);
}

}  // namespace
}  // namespace torch_metal
