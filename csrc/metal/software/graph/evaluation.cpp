#include "graph/evaluation.h"

namespace metal_software {
namespace {

const torch_metal::HostLibrary* g_library = nullptr;

bool is_product(const Node& node) {
  return node.kind == Node::Kind::matrix_multiplication || node.kind == Node::Kind::convolution;
}

/// Whether a value has one number for each channel of a convolution's result: [1, C, 1, 1] or [1, C, 1, 1, 1].
bool is_bias(const Node& node, const Shape& result) {
  Shape shape(result.size(), 1);
  shape[1] = result[1];
  return node.shape == shape;
}

/// Such a value as [C].
HostArray as_vector(const HostArray& bias) {
  HostArray vector{bias.data, bias.data_type, 1};
  vector.sizes[0] = bias.sizes[1];
  vector.strides[0] = bias.strides[1];
  return vector;
}

Shape batch_shape(const Node& product) { return {product.shape.begin(), product.shape.end() - 2}; }

/// A factor's sizes with the product's batches.
Shape factor_shape(const Node& product, const Node& factor) {
  Shape shape = batch_shape(product);
  shape.insert(shape.end(), factor.shape.end() - 2, factor.shape.end());
  return shape;
}

}  // namespace

const torch_metal::HostLibrary* host_library() { return g_library; }

Evaluation::Evaluation(const std::vector<NS::SharedPtr<const Node>>& feeds, std::vector<HostArray> arrays)
    : library_(*g_library) {
  for (size_t i = 0; i < feeds.size(); ++i) values_[feeds[i].get()] = arrays[i];
}

HostArray Evaluation::value(const Node& node) {
  const auto known = values_.find(&node);
  if (known != values_.end()) return known->second;
  if (node.kind == Node::Kind::transpose) return permuted(value(node.input(0)), node.permutation);
  temporaries_.emplace_back(new std::byte[elements_of(node.shape) * bytes_of(node.type)]);
  const HostArray array = dense_array(temporaries_.back().get(), node.type, node.shape);
  compute(node, array);
  return values_[&node] = array;
}

void Evaluation::compute(const Node& node, const HostArray& out) {
  const auto input = [&](size_t i) { return value(node.input(i)); };
  switch (node.kind) {
    case Node::Kind::placeholder: return library_.copy(out, value(node));
    case Node::Kind::transpose: return compute(node.input(0), permuted_back(out, node.permutation));
    case Node::Kind::addition: return compute_sum(node, out);
    case Node::Kind::matrix_multiplication:
    case Node::Kind::convolution: return compute_product(node, out, nullptr);
    case Node::Kind::data_gradient:
      return library_.convolution_data_gradient(out, input(0), input(1), node.convolution);
    case Node::Kind::weights_gradient:
      return library_.convolution_weights_gradient(out, input(0), input(1), node.convolution);
  }
}

void Evaluation::compute_sum(const Node& node, const HostArray& out) {
  const Node &a = node.input(0), &b = node.input(1);
  if (compute_product_and_sum(a, b, out) || compute_product_and_sum(b, a, out)) return;
  library_.add(out, broadcast(value(a), node.shape), broadcast(value(b), node.shape));
}

// False if the two have to be computed one after the other.
bool Evaluation::compute_product_and_sum(const Node& product, const Node& addend, const HostArray& out) {
  const Shape sizes(out.sizes.begin(), out.sizes.begin() + out.dimensions);
  if (!is_product(product) || product.shape != sizes || values_.count(&product)) return false;
  if (product.kind == Node::Kind::convolution && !is_bias(addend, product.shape)) return false;
  const HostArray added = product.kind == Node::Kind::convolution ? as_vector(value(addend))
                                                                   : broadcast(value(addend), product.shape);
  compute_product(product, out, &added);
  return true;
}

void Evaluation::compute_product(const Node& node, const HostArray& out, const HostArray* addend) {
  const Node &a = node.input(0), &b = node.input(1);
  if (node.kind == Node::Kind::convolution)
    return library_.convolution(out, value(a), value(b), addend, node.convolution);
  library_.matmul(out, broadcast(value(a), factor_shape(node, a)), broadcast(value(b), factor_shape(node, b)), addend);
}

}  // namespace metal_software

namespace torch_metal {

void set_host_library(const HostLibrary& library) {
  static HostLibrary lent;
  lent = library;
  metal_software::g_library = &lent;
}

}  // namespace torch_metal
