// metal/mps_graph.h by Apple's framework: each method is one message.
#include "metal/mps_graph.h"

#include "metal/apple/objc.h"

using torch_metal::objc_class;
using torch_metal::responds;
using torch_metal::send;

namespace MPS {

NDArrayDescriptor* NDArrayDescriptor::descriptor(DataType dataType, const NS::Array* shape) {
  auto* const descriptor = send<NDArrayDescriptor*>(objc_class("MPSNDArrayDescriptor"),
                                                    "descriptorWithDataType:shape:", dataType, shape);
  send<void>(descriptor, "setPreferPackedRows:", true);  // rows are padded otherwise
  return descriptor;
}

NDArray* NDArray::alloc() { return send<NDArray*>(objc_class("MPSNDArray"), "alloc"); }

NDArray* NDArray::init(const MTL::Buffer* buffer, NS::UInteger offset, const NDArrayDescriptor* descriptor) {
  return send<NDArray*>(this, "initWithBuffer:offset:descriptor:", buffer, offset, descriptor);
}

CommandBuffer* CommandBuffer::commandBuffer(MTL::CommandBuffer* commandBuffer) {
  return send<CommandBuffer*>(objc_class("MPSCommandBuffer"), "commandBufferWithCommandBuffer:", commandBuffer);
}

}  // namespace MPS

namespace MPSGraph {

namespace {

const void* execution_descriptor_class() { return objc_class("MPSGraphExecutableExecutionDescriptor"); }

/// MPSGraph would commit the command buffer halfway through a large graph, but it is the stream's to commit.
const void* descriptor_without_commits() {
  static const void* const shared = [] {
    const void* const descriptor = send<const void*>(send<const void*>(execution_descriptor_class(), "alloc"), "init");
    send<void>(descriptor, "setEnableCommitAndContinue:", false);
    return descriptor;
  }();
  return shared;
}

}  // namespace

bool available() {
  static const bool has_methods = responds(objc_class("MPSNDArray"), "initWithBuffer:offset:descriptor:") &&
                                  responds(objc_class("MPSNDArrayDescriptor"), "setPreferPackedRows:") &&
                                  responds(execution_descriptor_class(), "setEnableCommitAndContinue:");
  return has_methods;
}

NS::Array* Tensor::shape() const { return send<NS::Array*>(this, "shape"); }

MPS::DataType Tensor::dataType() const { return send<MPS::DataType>(this, "dataType"); }

ShapedType* ShapedType::alloc() { return send<ShapedType*>(objc_class("MPSGraphShapedType"), "alloc"); }

ShapedType* ShapedType::init(const NS::Array* shape, MPS::DataType dataType) {
  return send<ShapedType*>(this, "initWithShape:dataType:", shape, dataType);
}

TensorData* TensorData::alloc() { return send<TensorData*>(objc_class("MPSGraphTensorData"), "alloc"); }

TensorData* TensorData::init(const MPS::NDArray* ndarray) {
  return send<TensorData*>(this, "initWithMPSNDArray:", ndarray);
}

void ConvolutionOpDescriptor::setStrideInX(NS::UInteger strideInX) { send<void>(this, "setStrideInX:", strideInX); }
void ConvolutionOpDescriptor::setStrideInY(NS::UInteger strideInY) { send<void>(this, "setStrideInY:", strideInY); }
void ConvolutionOpDescriptor::setDilationRateInX(NS::UInteger dilationRateInX) {
  send<void>(this, "setDilationRateInX:", dilationRateInX);
}
void ConvolutionOpDescriptor::setDilationRateInY(NS::UInteger dilationRateInY) {
  send<void>(this, "setDilationRateInY:", dilationRateInY);
}
void ConvolutionOpDescriptor::setPaddingLeft(NS::UInteger paddingLeft) {
  send<void>(this, "setPaddingLeft:", paddingLeft);
}
void ConvolutionOpDescriptor::setPaddingRight(NS::UInteger paddingRight) {
  send<void>(this, "setPaddingRight:", paddingRight);
}
void ConvolutionOpDescriptor::setPaddingTop(NS::UInteger paddingTop) {
  send<void>(this, "setPaddingTop:", paddingTop);
}
void ConvolutionOpDescriptor::setPaddingBottom(NS::UInteger paddingBottom) {
  send<void>(this, "setPaddingBottom:", paddingBottom);
}
void ConvolutionOpDescriptor::setPaddingStyle(PaddingStyle paddingStyle) {
  send<void>(this, "setPaddingStyle:", paddingStyle);
}
void ConvolutionOpDescriptor::setDataLayout(TensorNamedDataLayout dataLayout) {
  send<void>(this, "setDataLayout:", dataLayout);
}
void ConvolutionOpDescriptor::setWeightsLayout(TensorNamedDataLayout weightsLayout) {
  send<void>(this, "setWeightsLayout:", weightsLayout);
}
void ConvolutionOpDescriptor::setGroups(NS::UInteger groups) { send<void>(this, "setGroups:", groups); }

Convolution2DOpDescriptor* Convolution2DOpDescriptor::alloc() {
  return send<Convolution2DOpDescriptor*>(objc_class("MPSGraphConvolution2DOpDescriptor"), "alloc");
}
Convolution2DOpDescriptor* Convolution2DOpDescriptor::init() {
  return send<Convolution2DOpDescriptor*>(this, "init");
}

Convolution3DOpDescriptor* Convolution3DOpDescriptor::alloc() {
  return send<Convolution3DOpDescriptor*>(objc_class("MPSGraphConvolution3DOpDescriptor"), "alloc");
}
Convolution3DOpDescriptor* Convolution3DOpDescriptor::init() {
  return send<Convolution3DOpDescriptor*>(this, "init");
}
void Convolution3DOpDescriptor::setStrideInZ(NS::UInteger strideInZ) { send<void>(this, "setStrideInZ:", strideInZ); }
void Convolution3DOpDescriptor::setDilationRateInZ(NS::UInteger dilationRateInZ) {
  send<void>(this, "setDilationRateInZ:", dilationRateInZ);
}
void Convolution3DOpDescriptor::setPaddingFront(NS::UInteger paddingFront) {
  send<void>(this, "setPaddingFront:", paddingFront);
}
void Convolution3DOpDescriptor::setPaddingBack(NS::UInteger paddingBack) {
  send<void>(this, "setPaddingBack:", paddingBack);
}

NS::Array* Executable::feedTensors() const { return send<NS::Array*>(this, "feedTensors"); }

void Executable::encodeToCommandBuffer(MPS::CommandBuffer* commandBuffer, const NS::Array* inputs,
                                       const NS::Array* results, const NS::Object* executionDescriptor) {
  send<NS::Array*>(this, "encodeToCommandBuffer:inputsArray:resultsArray:executionDescriptor:", commandBuffer, inputs,
                   results, executionDescriptor ? executionDescriptor : descriptor_without_commits());
}

Graph* Graph::alloc() { return send<Graph*>(objc_class("MPSGraph"), "alloc"); }

Graph* Graph::init() { return send<Graph*>(this, "init"); }

Tensor* Graph::placeholder(const NS::Array* shape, MPS::DataType dataType, const NS::String* name) {
  return send<Tensor*>(this, "placeholderWithShape:dataType:name:", shape, dataType, name);
}

Tensor* Graph::transpose(const Tensor* tensor, const NS::Array* permutation, const NS::String* name) {
  return send<Tensor*>(this, "transposeTensor:permutation:name:", tensor, permutation, name);
}

Tensor* Graph::addition(const Tensor* primary, const Tensor* secondary, const NS::String* name) {
  return send<Tensor*>(this, "additionWithPrimaryTensor:secondaryTensor:name:", primary, secondary, name);
}

Tensor* Graph::matrixMultiplication(const Tensor* primary, const Tensor* secondary, const NS::String* name) {
  return send<Tensor*>(this, "matrixMultiplicationWithPrimaryTensor:secondaryTensor:name:", primary, secondary, name);
}

Tensor* Graph::convolution2D(const Tensor* source, const Tensor* weights, const Convolution2DOpDescriptor* descriptor,
                             const NS::String* name) {
  return send<Tensor*>(this, "convolution2DWithSourceTensor:weightsTensor:descriptor:name:", source, weights,
                       descriptor, name);
}

Tensor* Graph::convolution2DDataGradient(const Tensor* incomingGradient, const Tensor* weights,
                                         const NS::Array* outputShape,
                                         const Convolution2DOpDescriptor* forwardDescriptor, const NS::String* name) {
  return send<Tensor*>(this,
                       "convolution2DDataGradientWithIncomingGradientTensor:weightsTensor:outputShape:"
                       "forwardConvolutionDescriptor:name:",
                       incomingGradient, weights, outputShape, forwardDescriptor, name);
}

Tensor* Graph::convolution2DWeightsGradient(const Tensor* incomingGradient, const Tensor* source,
                                            const NS::Array* outputShape,
                                            const Convolution2DOpDescriptor* forwardDescriptor,
                                            const NS::String* name) {
  return send<Tensor*>(this,
                       "convolution2DWeightsGradientWithIncomingGradientTensor:sourceTensor:outputShape:"
                       "forwardConvolutionDescriptor:name:",
                       incomingGradient, source, outputShape, forwardDescriptor, name);
}

Tensor* Graph::convolution3D(const Tensor* source, const Tensor* weights, const Convolution3DOpDescriptor* descriptor,
                             const NS::String* name) {
  return send<Tensor*>(this, "convolution3DWithSourceTensor:weightsTensor:descriptor:name:", source, weights,
                       descriptor, name);
}

Tensor* Graph::convolution3DDataGradient(const Tensor* incomingGradient, const Tensor* weights,
                                         const NS::Array* outputShape,
                                         const Convolution3DOpDescriptor* forwardDescriptor, const NS::String* name) {
  return send<Tensor*>(this,
                       "convolution3DDataGradientWithIncomingGradientTensor:weightsTensor:outputShape:"
                       "forwardConvolutionDescriptor:name:",
                       incomingGradient, weights, outputShape, forwardDescriptor, name);
}

Tensor* Graph::convolution3DWeightsGradient(const Tensor* incomingGradient, const Tensor* source,
                                            const NS::Array* outputShape,
                                            const Convolution3DOpDescriptor* forwardDescriptor,
                                            const NS::String* name) {
  return send<Tensor*>(this,
                       "convolution3DWeightsGradientWithIncomingGradientTensor:sourceTensor:outputShape:"
                       "forwardConvolutionDescriptor:name:",
                       incomingGradient, source, outputShape, forwardDescriptor, name);
}

Executable* Graph::compile(const NS::Object* device, const NS::Dictionary* feeds, const NS::Array* targetTensors,
                           const NS::Array* targetOperations, const NS::Object* compilationDescriptor) {
  return send<Executable*>(this, "compileWithDevice:feeds:targetTensors:targetOperations:compilationDescriptor:",
                           device, feeds, targetTensors, targetOperations, compilationDescriptor);
}

}  // namespace MPSGraph
