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

/// Sizes of a convolution's result; negative ones if the kernel does not fit into the source.
Shape convolution_shape(const Shape& source, const Shape& weights, const Convolution2DOpDescriptorObject& descriptor) {
  const auto& [stride, padding, dilation, groups] = descriptor.convolution;
  Shape result{source[0], weights[0]};
  for (size_t d = 0; d < 2; ++d) {
    const int64_t room = source[2 + d] + padding[d] + descriptor.padding_after[d] - dilation[d] * (weights[2 + d] - 1);
    result.push_back(room < 1 ? -1 : (room - 1) / stride[d] + 1);
  }
  return result;
}

/// What is wrong with a convolution from `source` to `result`, or nothing.
std::string convolution_fault(const Shape& source, const Shape& weights, const Shape& result,
                              const Convolution2DOpDescriptorObject& descriptor) {
  if (source.size() != 4 || weights.size() != 4 || result.size() != 4) return "convolutions take four dimensions";
  if (descriptor.padding_after != descriptor.convolution.padding)
    return "this device pads both sides of a convolution alike";
  const int64_t groups = descriptor.convolution.groups;
  if (groups < 1 || weights[0] % groups != 0 || source[1] != weights[1] * groups)
    return concat("weights ", text_of(weights), " in ", groups, " groups do not fit a source ", text_of(source));
  if (convolution_shape(source, weights, descriptor) != result)
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

/// A convolution from source to result, or one of its gradients, after a check that the three fit.
Node* add_convolution(Graph* graph, Node::Kind kind, const Node* a, const Node* b, const Shape& out,
                      const Shape& source, const Shape& weights, const Shape& result,
                      const Convolution2DOpDescriptor* descriptor) {
  const auto& object = static_cast<const metal_software::Convolution2DOpDescriptorObject&>(*descriptor);
  const std::string fault = metal_software::convolution_fault(source, weights, result, object);
  if (!fault.empty()) object_of(graph)->fail(fault);
  Node* const node = object_of(graph)->add(new Node(kind, a->type, out, {a, b}));
  node->convolution = object.convolution;
  return node;
}

}  // namespace

Tensor* Graph::convolution2D(const Tensor* source, const Tensor* weights, const Convolution2DOpDescriptor* descriptor,
                             const NS::String*) {
  const Node *const a = node_of(source), *const b = node_of(weights);
  const auto& object = static_cast<const metal_software::Convolution2DOpDescriptorObject&>(*descriptor);
  const bool fits = a->shape.size() == 4 && b->shape.size() == 4;
  const Shape result = fits ? metal_software::convolution_shape(a->shape, b->shape, object) : Shape{};
  return add_convolution(this, Node::Kind::convolution, a, b, result, a->shape, b->shape, result, descriptor);
}

Tensor* Graph::convolution2DDataGradient(const Tensor* incomingGradient, const Tensor* weights,
                                         const NS::Array* outputShape,
                                         const Convolution2DOpDescriptor* forwardDescriptor, const NS::String*) {
  const Node *const a = node_of(incomingGradient), *const b = node_of(weights);
  const Shape out = shape_of(outputShape);
  return add_convolution(this, Node::Kind::data_gradient, a, b, out, out, b->shape, a->shape, forwardDescriptor);
}

Tensor* Graph::convolution2DWeightsGradient(const Tensor* incomingGradient, const Tensor* source,
                                            const NS::Array* outputShape,
                                            const Convolution2DOpDescriptor* forwardDescriptor, const NS::String*) {
  const Node *const a = node_of(incomingGradient), *const b = node_of(source);
  const Shape out = shape_of(outputShape);
  return add_convolution(this, Node::Kind::weights_gradient, a, b, out, b->shape, out, a->shape, forwardDescriptor);
}

}  // namespace MPSGraph
