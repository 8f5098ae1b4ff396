// Building graphs: nodes, whose sizes are inferred and checked.
#include <algorithm>

#include "execution/text.h"
#include "graph/node.h"

namespace metal_software {
namespace {

GraphObject* object_of(MPSGraph::Graph* graph) { return static_cast<GraphObject*>(graph); }

/// Sizes of two values broadcast against each other; empty if they do not fit.
Shape broadcast_shape(Shape a, Shape b) {
  const size_t dimensions = std::max(a.size(), b.size());
  a.insert(a.begin(), dimensions - a.size(), 1);
  b.insert(b.begin(), dimensions - b.size(), 1);
  for (size_t d = 0; d < dimensions; ++d) {
    if (a[d] != b[d] && a[d] != 1 && b[d] != 1) return {};
    a[d] = a[d] == 1 ? b[d] : a[d];
  }
  return a;
}

bool is_permutation_of(const Shape& permutation, size_t dimensions) {
  Shape sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  for (size_t d = 0; d < sorted.size(); ++d)
    if (sorted[d] != static_cast<int64_t>(d)) return false;
  return sorted.size() == dimensions;
}

/// Sizes of the result of a convolution whose source and weights have as many dimensions; negative ones if the kernel
/// does not fit into the source.
Shape convolution_shape(const Shape& source, const Shape& weights, const ConvolutionAttributes& attributes) {
  const auto& [stride, padding, dilation, groups] = attributes.convolution;
  Shape result{source[0], weights[0]};
  for (size_t d = 2, i = 5 - source.size(); d < source.size(); ++d, ++i) {
    const int64_t room = source[d] + padding[i] + attributes.padding_after[i] - dilation[i] * (weights[d] - 1);
    result.push_back(room < 1 ? -1 : (room - 1) / stride[i] + 1);
  }
  return result;
}

/// What is wrong with a convolution of values of `dimensions` dimensions from `source` to `result`, or nothing.
std::string convolution_fault(size_t dimensions, const Shape& source, const Shape& weights, const Shape& result,
                              const ConvolutionAttributes& attributes) {
  if (source.size() != dimensions || weights.size() != dimensions || result.size() != dimensions)
    return concat("this convolution takes values of ", dimensions, " dimensions");
  if (attributes.padding_after != attributes.convolution.padding)
    return "this device pads both sides of a convolution alike";
  const int64_t groups = attributes.convolution.groups;
  if (groups < 1 || weights[0] % groups != 0 || source[1] != weights[1] * groups)
    return concat("weights ", text_of(weights), " in ", groups, " groups do not fit a source ", text_of(source));
  if (convolution_shape(source, weights, attributes) != result)
    return concat("a convolution of ", text_of(source), " with ", text_of(weights), " is not ", text_of(result));
  return {};
}

}  // namespace

Shape shape_of(const NS::Array* numbers) {
  Shape shape(numbers->count());
  for (size_t d = 0; d < shape.size(); ++d) shape[d] = numbers->object<NS::Number>(d)->longLongValue();
  return shape;
}

NS::Array* array_of(const Shape& shape) {
  std::vector<const NS::Object*> numbers;
  for (const int64_t size : shape) numbers.push_back(NS::Number::number(static_cast<long long>(size)));
  return NS::Array::array(numbers.data(), numbers.size());
}

std::string text_of(const Shape& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

size_t bytes_of(MPS::DataType type) { return (type & 0xff) / 8; }

int64_t elements_of(const Shape& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

Node::Node(Kind k, MPS::DataType t, Shape s, std::vector<const Node*> in) : kind(k), type(t), shape(std::move(s)) {
  for (const Node* const node : in) inputs.push_back(NS::RetainPtr(node));
}

const Node* node_of(const MPSGraph::Tensor* tensor) { return static_cast<const Node*>(tensor); }

Node* GraphObject::add(Node* node) {
  if (node->shape.size() > torch_metal::HostArray::kMaxDimensions) fail("a value has at most 16 dimensions");
  nodes.push_back(NS::TransferPtr(node));
  for (const auto& input : node->inputs)
    if (input->type != node->type) fail("the values that go into one node differ in type");
  return node;
}

void GraphObject::fail(const std::string& text) {
  if (failure.empty()) failure = "MPSGraph: " + text;
}

}  // namespace metal_software

namespace MPSGraph {

using metal_software::concat;
using metal_software::node_of;
using metal_software::object_of;
using metal_software::shape_of;
using metal_software::text_of;
using metal_software::Node;
using metal_software::Shape;

NS::Array* Tensor::shape() const { return metal_software::array_of(node_of(this)->shape); }

MPS::DataType Tensor::dataType() const { return node_of(this)->type; }

Graph* Graph::alloc() { return new metal_software::GraphObject(); }

Graph* Graph::init() { return this; }

Tensor* Graph::placeholder(const NS::Array* shape, MPS::DataType dataType, const NS::String*) {
  return object_of(this)->add(new Node(Node::Kind::placeholder, dataType, shape_of(shape)));
}

Tensor* Graph::transpose(const Tensor* tensor, const NS::Array* permutation, const NS::String*) {
  const Node* const input = node_of(tensor);
  const Shape order = shape_of(permutation);
  Shape shape = input->shape;
  if (metal_software::is_permutation_of(order, shape.size())) {
    for (size_t d = 0; d < shape.size(); ++d) shape[d] = input->shape[order[d]];
  } else {
    object_of(this)->fail(concat("transpose: ", text_of(order), " is no permutation of the dimensions of a value ",
                                 text_of(shape)));
  }
  Node* const node = object_of(this)->add(new Node(Node::Kind::transpose, input->type, shape, {input}));
  node->permutation = order;
  return node;
}

Tensor* Graph::addition(const Tensor* primary, const Tensor* secondary, const NS::String*) {
  const Node *const a = node_of(primary), *const b = node_of(secondary);
  const Shape shape = metal_software::broadcast_shape(a->shape, b->shape);
  if (shape.empty() && !(a->shape.empty() && b->shape.empty()))
    object_of(this)->fail(concat("addition: sizes ", text_of(a->shape), " and ", text_of(b->shape)));
  return object_of(this)->add(new Node(Node::Kind::addition, a->type, shape, {a, b}));
}

Tensor* Graph::matrixMultiplication(const Tensor* primary, const Tensor* secondary, const NS::String*) {
  const Node *const a = node_of(primary), *const b = node_of(secondary);
  Shape shape;
  if (a->shape.size() < 2 || b->shape.size() < 2 || a->shape.back() != b->shape.end()[-2]) {
    object_of(this)->fail(concat("matrixMultiplication: sizes ", text_of(a->shape), " and ", text_of(b->shape)));
  } else {
    const Shape batch_a(a->shape.begin(), a->shape.end() - 2), batch_b(b->shape.begin(), b->shape.end() - 2);
    shape = metal_software::broadcast_shape(batch_a, batch_b);
    if (shape.empty() && !(batch_a.empty() && batch_b.empty()))
      object_of(this)->fail(concat("matrixMultiplication: batches ", text_of(batch_a), " and ", text_of(batch_b)));
    shape.push_back(a->shape.end()[-2]);
    shape.push_back(b->shape.back());
  }
  return object_of(this)->add(new Node(Node::Kind::matrix_multiplication, a->type, shape, {a, b}));
}

namespace {

/// The dimensions of the values that a descriptor is for.
size_t dimensions_for(const Convolution2DOpDescriptor*) { return 4; }
size_t dimensions_for(const Convolution3DOpDescriptor*) { return 5; }

/// A convolution from source to result, or one of its gradients, after a check that the three fit.
template <class Descriptor>
Node* add_convolution(Graph* graph, Node::Kind kind, const Node* a, const Node* b, const Shape& out,
                      const Shape& source, const Shape& weights, const Shape& result, const Descriptor* descriptor) {
  const auto& attributes = metal_software::attributes_of(descriptor);
  const std::string fault =
      metal_software::convolution_fault(dimensions_for(descriptor), source, weights, result, attributes);
  if (!fault.empty()) object_of(graph)->fail(fault);
  Node* const node = object_of(graph)->add(new Node(kind, a->type, out, {a, b}));
  node->convolution = attributes.convolution;
  return node;
}

template <class Descriptor>
Node* add_forward(Graph* graph, const Tensor* source, const Tensor* weights, const Descriptor* descriptor) {
  const Node *const a = node_of(source), *const b = node_of(weights);
  const size_t dimensions = dimensions_for(descriptor);
  const bool fits = a->shape.size() == dimensions && b->shape.size() == dimensions;
  const Shape result =
      fits ? metal_software::convolution_shape(a->shape, b->shape, metal_software::attributes_of(descriptor)) : Shape{};
  return add_convolution(graph, Node::Kind::convolution, a, b, result, a->shape, b->shape, result, descriptor);
}

template <class Descriptor>
Node* add_data_gradient(Graph* graph, const Tensor* gradient, const Tensor* weights, const NS::Array* output_shape,
                        const Descriptor* descriptor) {
  const Node *const a = node_of(gradient), *const b = node_of(weights);
  const Shape out = shape_of(output_shape);
  return add_convolution(graph, Node::Kind::data_gradient, a, b, out, out, b->shape, a->shape, descriptor);
}

template <class Descriptor>
Node* add_weights_gradient(Graph* graph, const Tensor* gradient, const Tensor* source, const NS::Array* output_shape,
                           const Descriptor* descriptor) {
  const Node *const a = node_of(gradient), *const b = node_of(source);
  const Shape out = shape_of(output_shape);
  return add_convolution(graph, Node::Kind::weights_gradient, a, b, out, b->shape, out, a->shape, descriptor);
}

}  // namespace

Tensor* Graph::convolution2D(const Tensor* source, const Tensor* weights, const Convolution2DOpDescriptor* descriptor,
                             const NS::String*) {
  return add_forward(this, source, weights, descriptor);
}

Tensor* Graph::convolution2DDataGradient(const Tensor* incomingGradient, const Tensor* weights,
                                         const NS::Array* outputShape,
                                         const Convolution2DOpDescriptor* forwardDescriptor, const NS::String*) {
  return add_data_gradient(this, incomingGradient, weights, outputShape, forwardDescriptor);
}

Tensor* Graph::convolution2DWeightsGradient(const Tensor* incomingGradient, const Tensor* source,
                                            const NS::Array* outputShape,
                                            const Convolution2DOpDescriptor* forwardDescriptor, const NS::String*) {
  return add_weights_gradient(this, incomingGradient, source, outputShape, forwardDescriptor);
}

Tensor* Graph::convolution3D(const Tensor* source, const Tensor* weights, const Convolution3DOpDescriptor* descriptor,
                             const NS::String*) {
  return add_forward(this, source, weights, descriptor);
}

Tensor* Graph::convolution3DDataGradient(const Tensor* incomingGradient, const Tensor* weights,
                                         const NS::Array* outputShape,
                                         const Convolution3DOpDescriptor* forwardDescriptor, const NS::String*) {
  return add_data_gradient(this, incomingGradient, weights, outputShape, forwardDescriptor);
}

Tensor* Graph::convolution3DWeightsGradient(const Tensor* incomingGradient, const Tensor* source,
                                            const NS::Array* outputShape,
                                            const Convolution3DOpDescriptor* forwardDescriptor, const NS::String*) {
  return add_weights_gradient(this, incomingGradient, source, outputShape, forwardDescriptor);
}

}  // namespace MPSGraph
