// The part of MPSGraph that is used, in metal-cpp's style, for which metal-cpp has no headers. One API, two
// implementations: Apple's framework on macOS, csrc/metal/software/graph/ elsewhere. Names follow Objective-C's:
// MPSGraphTensor is MPSGraph::Tensor, placeholderWithShape:dataType:name: is placeholder(shape, dataType, name).
// Shapes are arrays of NS::Number, outermost dimension first; all memory is dense.
#pragma once

#include <Metal/Metal.hpp>

namespace MPS {

enum DataType : uint32_t {
  DataTypeFloat32 = 0x10000000 | 32,
  DataTypeFloat16 = 0x10000000 | 16,
  DataTypeBFloat16 = 0x80000000 | 0x10000000 | 16,
};

class NDArrayDescriptor : public NS::Referencing<NDArrayDescriptor> {
 public:
  static NDArrayDescriptor* descriptor(DataType dataType, const NS::Array* shape);
};

/// An array in a buffer, from byte `offset` on.
class NDArray : public NS::Referencing<NDArray> {
 public:
  static NDArray* alloc();
  NDArray* init(const MTL::Buffer* buffer, NS::UInteger offset, const NDArrayDescriptor* descriptor);
};

/// A command buffer as MPSGraph takes it.
class CommandBuffer : public NS::Referencing<CommandBuffer> {
 public:
  static CommandBuffer* commandBuffer(MTL::CommandBuffer* commandBuffer);
};

}  // namespace MPS

namespace MPSGraph {

/// Whether graphs can read and write a buffer from any byte on and leave the command buffer open, as this header promises:
/// macOS 15 and later. Without it nothing else here may be called.
bool available();

/// A value in a graph; it has no memory.
class Tensor : public NS::Referencing<Tensor> {
 public:
  NS::Array* shape() const;
  MPS::DataType dataType() const;
};

/// Sizes and type of a value, as executables are compiled for.
class ShapedType : public NS::Referencing<ShapedType> {
 public:
  static ShapedType* alloc();
  ShapedType* init(const NS::Array* shape, MPS::DataType dataType);
};

/// Memory for a value.
class TensorData : public NS::Referencing<TensorData> {
 public:
  static TensorData* alloc();
  TensorData* init(const MPS::NDArray* ndarray);
};

enum PaddingStyle : NS::UInteger { PaddingStyleExplicit = 0 };

enum TensorNamedDataLayout : NS::UInteger {
  TensorNamedDataLayoutNCHW = 0,
  TensorNamedDataLayoutOIHW = 2,
  TensorNamedDataLayoutNCDHW = 7,
  TensorNamedDataLayoutOIDHW = 9,
};

/// The messages that both descriptors of convolutions take; Objective-C has no such class. X is the innermost dimension,
/// Y the one before it.
class ConvolutionOpDescriptor : public NS::Referencing<ConvolutionOpDescriptor> {
 public:
  void setStrideInX(NS::UInteger strideInX);
  void setStrideInY(NS::UInteger strideInY);
  void setDilationRateInX(NS::UInteger dilationRateInX);
  void setDilationRateInY(NS::UInteger dilationRateInY);
  void setPaddingLeft(NS::UInteger paddingLeft);
  void setPaddingRight(NS::UInteger paddingRight);
  void setPaddingTop(NS::UInteger paddingTop);
  void setPaddingBottom(NS::UInteger paddingBottom);
  void setPaddingStyle(PaddingStyle paddingStyle);
  void setDataLayout(TensorNamedDataLayout dataLayout);
  void setWeightsLayout(TensorNamedDataLayout weightsLayout);
  void setGroups(NS::UInteger groups);
};

class Convolution2DOpDescriptor : public NS::Referencing<Convolution2DOpDescriptor, ConvolutionOpDescriptor> {
 public:
  static Convolution2DOpDescriptor* alloc();
  Convolution2DOpDescriptor* init();
};

/// Z is the dimension before Y.
class Convolution3DOpDescriptor : public NS::Referencing<Convolution3DOpDescriptor, ConvolutionOpDescriptor> {
 public:
  static Convolution3DOpDescriptor* alloc();
  Convolution3DOpDescriptor* init();
  void setStrideInZ(NS::UInteger strideInZ);
  void setDilationRateInZ(NS::UInteger dilationRateInZ);
  void setPaddingFront(NS::UInteger paddingFront);
  void setPaddingBack(NS::UInteger paddingBack);
};

/// A graph compiled for sizes. May be encoded by several threads at once.
class Executable : public NS::Referencing<Executable> {
 public:
  /// The placeholders, in the order in which encodeToCommandBuffer wants their data.
  NS::Array* feedTensors() const;
  /// Encodes one run: reads the arrays of TensorData `inputs`, writes those of `results`.
  void encodeToCommandBuffer(MPS::CommandBuffer* commandBuffer, const NS::Array* inputs, const NS::Array* results,
                             const NS::Object* executionDescriptor);
};

/// A computation. Nodes are added by one thread; sizes are inferred as they are.
class Graph : public NS::Referencing<Graph> {
 public:
  static Graph* alloc();
  Graph* init();

  Tensor* placeholder(const NS::Array* shape, MPS::DataType dataType, const NS::String* name);
  /// Dimension d of the result is dimension permutation[d] of `tensor`.
  Tensor* transpose(const Tensor* tensor, const NS::Array* permutation, const NS::String* name);
  /// The sum, with dimensions of size 1 broadcast.
  Tensor* addition(const Tensor* primary, const Tensor* secondary, const NS::String* name);
  /// Products of matrices [..., m, k] and [..., k, n]; leading dimensions of size 1 are broadcast.
  Tensor* matrixMultiplication(const Tensor* primary, const Tensor* secondary, const NS::String* name);

  /// source [N, C, H, W], weights [O, C / groups, H, W].
  Tensor* convolution2D(const Tensor* source, const Tensor* weights, const Convolution2DOpDescriptor* descriptor,
                        const NS::String* name);
  Tensor* convolution2DDataGradient(const Tensor* incomingGradient, const Tensor* weights, const NS::Array* outputShape,
                                    const Convolution2DOpDescriptor* forwardDescriptor, const NS::String* name);
  Tensor* convolution2DWeightsGradient(const Tensor* incomingGradient, const Tensor* source,
                                       const NS::Array* outputShape, const Convolution2DOpDescriptor* forwardDescriptor,
                                       const NS::String* name);

  /// source [N, C, D, H, W], weights [O, C / groups, D, H, W].
  Tensor* convolution3D(const Tensor* source, const Tensor* weights, const Convolution3DOpDescriptor* descriptor,
                        const NS::String* name);
  Tensor* convolution3DDataGradient(const Tensor* incomingGradient, const Tensor* weights, const NS::Array* outputShape,
                                    const Convolution3DOpDescriptor* forwardDescriptor, const NS::String* name);
  Tensor* convolution3DWeightsGradient(const Tensor* incomingGradient, const Tensor* source,
                                       const NS::Array* outputShape, const Convolution3DOpDescriptor* forwardDescriptor,
                                       const NS::String* name);

  /// `feeds`: placeholder -> ShapedType; `device`: null for the default one. An executable that computes `targetTensors`, autoreleased.
  Executable* compile(const NS::Object* device, const NS::Dictionary* feeds, const NS::Array* targetTensors,
                      const NS::Array* targetOperations, const NS::Object* compilationDescriptor);
};

}  // namespace MPSGraph
