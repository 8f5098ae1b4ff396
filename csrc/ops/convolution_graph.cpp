#include "ops/convolution_graph.h"

#include "ops/library_choice.h"
#include "runtime/graph.h"

namespace torch_metal {
namespace {

/// MPSGraph gives wrong values for more images or channels, and for longer kernels.
constexpr int64_t kMaxBatch = 65535, kMaxChannels = 65536, kMaxKernel = 255;

/// Graphs have convolutions of two and of three dimensions.
at::Tensor as_2d_or_3d(const at::Tensor& tensor) { return tensor.dim() == 3 ? tensor.unsqueeze(2) : tensor; }

bool has_bias(const std::optional<at::Tensor>& bias) { return bias && bias->defined(); }

/// A bias as a value that is added to images with the dimensions of `like`.
at::Tensor as_image(const at::Tensor& bias, const at::Tensor& like) {
  at::DimVector sizes(like.dim(), 1);
  sizes[1] = -1;
  return bias.view(sizes);
}

/// False if output padding makes the larger side so large that its convolution would give more than the smaller side has.
bool sides_match(const at::Tensor& larger, const at::Tensor& smaller, const ConvolutionGeometry& g) {
  for (int64_t d = larger.dim() - 1, i = 2; d >= 2; --d, --i) {
    const int64_t room = larger.size(d) + 2 * g.padding[i] - g.dilation[i] * (g.kernel[i] - 1);
    if ((room - 1) / g.stride[i] + 1 != smaller.size(d)) return false;
  }
  return true;
}

bool is_within_limits(const at::Tensor& larger, const at::Tensor& smaller, const ConvolutionGeometry& geometry) {
  return larger.size(0) <= kMaxBatch && std::max(larger.size(1), smaller.size(1)) <= kMaxChannels &&
         *std::max_element(geometry.kernel.begin(), geometry.kernel.end()) <= kMaxKernel;
}

bool suits(const at::Tensor& out, const at::Tensor& larger, const at::Tensor& smaller, const at::Tensor& weights,
           const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry) {
  if (weights.numel() == 0 || smaller.numel() == 0) return false;
  if (!is_within_limits(larger, smaller, geometry) || !sides_match(larger, smaller, geometry)) return false;
  const double taps = static_cast<double>(weights.numel()) / static_cast<double>(weights.size(0));
  return prefers_mps_graph(Family::convolution, out, static_cast<double>(smaller.numel()) * taps) &&
         fits_graph(larger) && fits_graph(smaller) && fits_graph(weights) && (!has_bias(bias) || bias->is_contiguous());
}

/// What a graph is kept by, beside the sizes.
std::array<int64_t, 10> attributes_of(const ConvolutionGeometry& g) {
  return {g.stride[0],  g.stride[1],   g.stride[2],   g.padding[0],  g.padding[1],
          g.padding[2], g.dilation[0], g.dilation[1], g.dilation[2], g.groups};
}

void describe(MPSGraph::ConvolutionOpDescriptor* descriptor, const ConvolutionGeometry& g) {
  descriptor->setStrideInY(g.stride[1]);
  descriptor->setStrideInX(g.stride[2]);
  descriptor->setDilationRateInY(g.dilation[1]);
  descriptor->setDilationRateInX(g.dilation[2]);
  descriptor->setPaddingTop(g.padding[1]);
  descriptor->setPaddingBottom(g.padding[1]);
  descriptor->setPaddingLeft(g.padding[2]);
  descriptor->setPaddingRight(g.padding[2]);
  descriptor->setPaddingStyle(MPSGraph::PaddingStyleExplicit);
  descriptor->setGroups(g.groups);
}

MPSGraph::Convolution2DOpDescriptor* descriptor_2d(const ConvolutionGeometry& g) {
  auto* const descriptor = MPSGraph::Convolution2DOpDescriptor::alloc()->init()->autorelease();
  describe(descriptor, g);
  descriptor->setDataLayout(MPSGraph::TensorNamedDataLayoutNCHW);
  descriptor->setWeightsLayout(MPSGraph::TensorNamedDataLayoutOIHW);
  return descriptor;
}

MPSGraph::Convolution3DOpDescriptor* descriptor_3d(const ConvolutionGeometry& g) {
  auto* const descriptor = MPSGraph::Convolution3DOpDescriptor::alloc()->init()->autorelease();
  describe(descriptor, g);
  descriptor->setStrideInZ(g.stride[0]);
  descriptor->setDilationRateInZ(g.dilation[0]);
  descriptor->setPaddingFront(g.padding[0]);
  descriptor->setPaddingBack(g.padding[0]);
  descriptor->setDataLayout(MPSGraph::TensorNamedDataLayoutNCDHW);
  descriptor->setWeightsLayout(MPSGraph::TensorNamedDataLayoutOIDHW);
  return descriptor;
}

/// Runs `build(graph, inputs)`, with the bias added to what it gives.
template <class Build>
void run_with_bias(const char* name, const ConvolutionGeometry& geometry, const at::Tensor& out, const at::Tensor& a,
                   const at::Tensor& b, const std::optional<at::Tensor>& bias, Build build) {
  std::vector<at::Tensor> inputs{as_2d_or_3d(a), as_2d_or_3d(b)};
  if (has_bias(bias)) inputs.push_back(as_image(*bias, inputs[0]));
  run_graph(name, attributes_of(geometry), inputs, as_2d_or_3d(out),
            [&](MPSGraph::Graph* graph, const GraphValues& in) {
              MPSGraph::Tensor* const result = build(graph, in);
              return in.size() == 2 ? result : graph->addition(result, in[2], nullptr);
            });
}

}  // namespace

bool graph_convolution(const at::Tensor& result, const at::Tensor& source, const at::Tensor& weights,
                       const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry) {
  if (!suits(result, source, result, weights, bias, geometry)) return false;
  run_with_bias("convolution", geometry, result, source, weights, bias,
                [&](MPSGraph::Graph* graph, const GraphValues& in) {
                  return source.dim() == 5
                             ? graph->convolution3D(in[0], in[1], descriptor_3d(geometry), nullptr)
                             : graph->convolution2D(in[0], in[1], descriptor_2d(geometry), nullptr);
                });
  return true;
}

bool graph_convolution_data_gradient(const at::Tensor& source, const at::Tensor& gradient, const at::Tensor& weights,
                                     const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry) {
  // MPSGraph's are said to be further off than rounding explains.
  if (source.dim() == 5 && source.scalar_type() != at::kFloat) return false;
  if (!suits(source, source, gradient, weights, bias, geometry)) return false;
  run_with_bias("convolution_data_gradient", geometry, source, gradient, weights, bias,
                [&](MPSGraph::Graph* graph, const GraphValues& in) {
                  NS::Array* const sizes = graph_shape(as_2d_or_3d(source).sizes());
                  return source.dim() == 5
                             ? graph->convolution3DDataGradient(in[0], in[1], sizes, descriptor_3d(geometry), nullptr)
                             : graph->convolution2DDataGradient(in[0], in[1], sizes, descriptor_2d(geometry), nullptr);
                });
  return true;
}

bool graph_convolution_weights_gradient(const at::Tensor& weights, const at::Tensor& gradient,
                                        const at::Tensor& source, const ConvolutionGeometry& geometry) {
  if (!suits(weights, source, gradient, weights, {}, geometry)) return false;
  run_with_bias("convolution_weights_gradient", geometry, weights, gradient, source, {},
                [&](MPSGraph::Graph* graph, const GraphValues& in) {
                  NS::Array* const sizes = graph_shape(as_2d_or_3d(weights).sizes());
                  return weights.dim() == 5
                             ? graph->convolution3DWeightsGradient(in[0], in[1], sizes, descriptor_3d(geometry), nullptr)
                             : graph->convolution2DWeightsGradient(in[0], in[1], sizes, descriptor_2d(geometry), nullptr);
                });
  return true;
}

}  // namespace torch_metal
