// What stands behind the classes of metal/mps_graph.h.
#pragma once

#include <string>
#include <vector>

#include "metal/host_library.h"
#include "metal/mps_graph.h"

namespace metal_software {

using Shape = std::vector<int64_t>;

Shape shape_of(const NS::Array* numbers);
NS::Array* array_of(const Shape& shape);  ///< autoreleased
std::string text_of(const Shape& shape);
size_t bytes_of(MPS::DataType type);
int64_t elements_of(const Shape& shape);

/// A value of a graph, and how it is computed from others. Immutable.
struct Node : MPSGraph::Tensor {
  enum class Kind : uint8_t {
    placeholder, transpose, addition, matrix_multiplication, convolution, data_gradient, weights_gradient
  };
  Node(Kind kind, MPS::DataType type, Shape shape, std::vector<const Node*> inputs = {});
  const Node& input(size_t i) const { return *inputs[i].get(); }

  const Kind kind;
  const MPS::DataType type;
  const Shape shape;
  std::vector<NS::SharedPtr<const Node>> inputs;
  Shape permutation;                         ///< of a transpose
  torch_metal::HostConvolution convolution;  ///< of a convolution and its gradients
};

const Node* node_of(const MPSGraph::Tensor* tensor);

struct GraphObject : MPSGraph::Graph {
  std::vector<NS::SharedPtr<Node>> nodes;
  std::string failure;  ///< what Apple's framework would abort on; executables of the graph end in this error

  Node* add(Node* node);
  void fail(const std::string& text);
};

struct ShapedTypeObject : MPSGraph::ShapedType {
  Shape shape;
  MPS::DataType type = MPS::DataTypeFloat32;
};

struct NDArrayDescriptorObject : MPS::NDArrayDescriptor {
  Shape shape;
  MPS::DataType type = MPS::DataTypeFloat32;
};

struct NDArrayObject : MPS::NDArray {
  NS::SharedPtr<const MTL::Buffer> buffer;
  NS::UInteger offset = 0;
  Shape shape;
  MPS::DataType type = MPS::DataTypeFloat32;
};

struct TensorDataObject : MPSGraph::TensorData {
  NS::SharedPtr<const NDArrayObject> array;
};

struct CommandBufferObject : MPS::CommandBuffer {
  NS::SharedPtr<MTL::CommandBuffer> command_buffer;
};

/// What the setters of a descriptor set.
struct ConvolutionAttributes {
  torch_metal::HostConvolution convolution;
  std::array<int64_t, 3> padding_after{0, 0, 0};
};

template <class Descriptor>
struct ConvolutionOpDescriptorObject : Descriptor, ConvolutionAttributes {};

const ConvolutionAttributes& attributes_of(const MPSGraph::ConvolutionOpDescriptor* descriptor);

struct ExecutableObject : MPSGraph::Executable {
  std::vector<NS::SharedPtr<const Node>> feeds, targets;
  std::string failure;
};

}  // namespace metal_software
