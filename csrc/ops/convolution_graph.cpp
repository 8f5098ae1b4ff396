#include "ops/convolution_graph.h"

#include "ops/library_choice.h"
#include "runtime/graph.h"

namespace torch_metal {
namespace {

/// MPSGraph gives wrong values for larger batches.
constexpr int64_t kMaxBatch = 65535;

/// Images and weights of one dimension as those of two.
at::Tensor as_2d(const at::Tensor& tensor) { return tensor.dim() == 3 ? tensor.unsqueeze(2) : tensor; }

/// A bias as a value that is added to images.
at::Tensor as_image(const std::optional<at::Tensor>& bias) { return bias->view({1, -1, 1, 1}); }

bool has_bias(const std::optional<at::Tensor>& bias) { return bias && bias->defined(); }

/// False if output padding makes the larger side so large that its convolution would give more than the smaller side has.
bool sides_match(const at::Tensor& larger, const at::Tensor& smaller, const ConvolutionGeometry& g) {
  for (int64_t d = larger.dim() - 1, i = 2; d >= 2; --d, --i) {
    const int64_t room = larger.size(d) + 2 * g.padding[i] - g.dilation[i] * (g.kernel[i] - 1);
    if ((room - 1) / g.stride[i] + 1 != smaller.size(d)) return false;
  }
  return true;
}

bool suits(const at::Tensor& out, const at::Tensor& larger, const at::Tensor& smaller, const at::Tensor& weights,
           const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry) {
  if (larger.dim() > 4 || larger.size(0) > kMaxBatch || weights.numel() == 0 || smaller.numel() == 0) return false;
  if (!sides_match(larger, smaller, geometry)) return false;
  const double taps = static_cast<double>(weights.numel()) / static_cast<double>(weights.size(0));
  return prefers_mps_graph(Family::convolution, out, static_cast<double>(smaller.numel()) * taps) &&
         fits_graph(larger) && fits_graph(smaller) && fits_graph(weights) && (!has_bias(bias) || bias->is_contiguous());
}

/// What a graph is kept by, beside the sizes.
std::array<int64_t, 7> attributes_of(const ConvolutionGeometry& g) {
  return {g.stride[1], g.stride[2], g.padding[1], g.padding[2], g.dilation[1], g.dilation[2], g.groups};
}

MPSGraph::Convolution2DOpDescriptor* descriptor_of(const ConvolutionGeometry& g) {
  auto* const descriptor = MPSGraph::Convolution2DOpDescriptor::alloc()->init()->autorelease();
  descriptor->setStrideInY(g.stride[1]);
  descriptor->setStrideInX(g.stride[2]);
  descriptor->setDilationRateInY(g.dilation[1]);
  descriptor->setDilationRateInX(g.dilation[2]);
  descriptor->setPaddingTop(g.padding[1]);
  descriptor->setPaddingBottom(g.padding[1]);
  descriptor->setPaddingLeft(g.padding[2]);
  descriptor->setPaddingRight(g.padding[2]);
  descriptor->setPaddingStyle(MPSGraph::PaddingStyleExplicit);
  descriptor->setDataLayout(MPSGraph::TensorNamedDataLayoutNCHW);
  descriptor->setWeightsLayout(MPSGraph::TensorNamedDataLayoutOIHW);
  descriptor->setGroups(g.groups);
  return descriptor;
}

/// Runs `build(graph, inputs)`, with the bias added to what it gives.
template <class Build>
void run_with_bias(const char* name, const ConvolutionGeometry& geometry, const at::Tensor& out, const at::Tensor& a,
                   const at::Tensor& b, const std::optional<at::Tensor>& bias, Build build) {
  std::vector<at::Tensor> inputs{as_2d(a), as_2d(b)};
  if (has_bias(bias)) inputs.push_back(as_image(bias));
  run_graph(name, attributes_of(geometry), inputs, as_2d(out), [&](MPSGraph::Graph* graph, const GraphValues& in) {
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
                  return graph->convolution2D(in[0], in[1], descriptor_of(geometry), nullptr);
                });
  return true;
}

bool graph_convolution_data_gradient(const at::Tensor& source, const at::Tensor& gradient, const at::Tensor& weights,
                                     const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry) {
  if (!suits(source, source, gradient, weights, bias, geometry)) return false;
  run_with_bias("convolution_data_gradient", geometry, source, gradient, weights, bias,
                [&](MPSGraph::Graph* graph, const GraphValues& in) {
                  return graph->convolution2DDataGradient(in[0], in[1], graph_shape(as_2d(source).sizes()),
                                                          descriptor_of(geometry), nullptr);
                });
  return true;
}

bool graph_convolution_weights_gradient(const at::Tensor& weights, const at::Tensor& gradient,
                                        const at::Tensor& source, const ConvolutionGeometry& geometry) {
  if (!suits(weights, source, gradient, weights, {}, geometry)) return false;
  run_with_bias("convolution_weights_gradient", geometry, weights, gradient, source, {},
                [&](MPSGraph::Graph* graph, const GraphValues& in) {
                  return graph->convolution2DWeightsGradient(in[0], in[1], graph_shape(as_2d(weights).sizes()),
                                                             descriptor_of(geometry), nullptr);
                });
  return true;
}

}  // namespace torch_metal
