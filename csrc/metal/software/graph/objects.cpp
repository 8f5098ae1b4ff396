// The classes that carry sizes, memory and attributes.
#include "graph/node.h"

namespace metal_software {
namespace {

template <class Object, class Class>
Object& object_of(Class* object) {
  return static_cast<Object&>(*object);
}

ConvolutionAttributes& attributes_of(MPSGraph::ConvolutionOpDescriptor* descriptor) {
  return dynamic_cast<ConvolutionAttributes&>(*descriptor);
}

torch_metal::HostConvolution& convolution_of(MPSGraph::ConvolutionOpDescriptor* descriptor) {
  return attributes_of(descriptor).convolution;
}

/// Where HostConvolution has a dimension.
enum Axis { kZ, kY, kX };

}  // namespace

const ConvolutionAttributes& attributes_of(const MPSGraph::ConvolutionOpDescriptor* descriptor) {
  return dynamic_cast<const ConvolutionAttributes&>(*descriptor);
}

}  // namespace metal_software

namespace MPS {

using namespace metal_software;

NDArrayDescriptor* NDArrayDescriptor::descriptor(DataType dataType, const NS::Array* shape) {
  auto* const object = new NDArrayDescriptorObject();
  object->shape = shape_of(shape);
  object->type = dataType;
  return object->autorelease();
}

NDArray* NDArray::alloc() { return new NDArrayObject(); }

NDArray* NDArray::init(const MTL::Buffer* buffer, NS::UInteger offset, const NDArrayDescriptor* descriptor) {
  auto& object = object_of<NDArrayObject>(this);
  const auto& described = static_cast<const NDArrayDescriptorObject&>(*descriptor);
  object.buffer = NS::RetainPtr(buffer);
  object.offset = offset;
  object.shape = described.shape;
  object.type = described.type;
  return this;
}

CommandBuffer* CommandBuffer::commandBuffer(MTL::CommandBuffer* commandBuffer) {
  auto* const object = new CommandBufferObject();
  object->command_buffer = NS::RetainPtr(commandBuffer);
  return object->autorelease();
}

}  // namespace MPS

namespace MPSGraph {

using namespace metal_software;

bool available() { return true; }

ShapedType* ShapedType::alloc() { return new ShapedTypeObject(); }

ShapedType* ShapedType::init(const NS::Array* shape, MPS::DataType dataType) {
  object_of<ShapedTypeObject>(this).shape = shape_of(shape);
  object_of<ShapedTypeObject>(this).type = dataType;
  return this;
}

TensorData* TensorData::alloc() { return new TensorDataObject(); }

TensorData* TensorData::init(const MPS::NDArray* ndarray) {
  object_of<TensorDataObject>(this).array = NS::RetainPtr(static_cast<const NDArrayObject*>(ndarray));
  return this;
}

void ConvolutionOpDescriptor::setStrideInX(NS::UInteger strideInX) { convolution_of(this).stride[kX] = strideInX; }
void ConvolutionOpDescriptor::setStrideInY(NS::UInteger strideInY) { convolution_of(this).stride[kY] = strideInY; }

void ConvolutionOpDescriptor::setDilationRateInX(NS::UInteger dilationRateInX) {
  convolution_of(this).dilation[kX] = dilationRateInX;
}
void ConvolutionOpDescriptor::setDilationRateInY(NS::UInteger dilationRateInY) {
  convolution_of(this).dilation[kY] = dilationRateInY;
}

void ConvolutionOpDescriptor::setPaddingLeft(NS::UInteger paddingLeft) {
  convolution_of(this).padding[kX] = paddingLeft;
}
void ConvolutionOpDescriptor::setPaddingRight(NS::UInteger paddingRight) { attributes_of(this).padding_after[kX] = paddingRight; }
void ConvolutionOpDescriptor::setPaddingTop(NS::UInteger paddingTop) { convolution_of(this).padding[kY] = paddingTop; }
void ConvolutionOpDescriptor::setPaddingBottom(NS::UInteger paddingBottom) {
  attributes_of(this).padding_after[kY] = paddingBottom;
}

// There is one of each.
void ConvolutionOpDescriptor::setPaddingStyle(PaddingStyle) {}
void ConvolutionOpDescriptor::setDataLayout(TensorNamedDataLayout) {}
void ConvolutionOpDescriptor::setWeightsLayout(TensorNamedDataLayout) {}

void ConvolutionOpDescriptor::setGroups(NS::UInteger groups) { convolution_of(this).groups = groups; }

Convolution2DOpDescriptor* Convolution2DOpDescriptor::alloc() {
  return new ConvolutionOpDescriptorObject<Convolution2DOpDescriptor>();
}
Convolution2DOpDescriptor* Convolution2DOpDescriptor::init() { return this; }

Convolution3DOpDescriptor* Convolution3DOpDescriptor::alloc() {
  return new ConvolutionOpDescriptorObject<Convolution3DOpDescriptor>();
}
Convolution3DOpDescriptor* Convolution3DOpDescriptor::init() { return this; }

void Convolution3DOpDescriptor::setStrideInZ(NS::UInteger strideInZ) { convolution_of(this).stride[kZ] = strideInZ; }
void Convolution3DOpDescriptor::setDilationRateInZ(NS::UInteger dilationRateInZ) {
  convolution_of(this).dilation[kZ] = dilationRateInZ;
}
void Convolution3DOpDescriptor::setPaddingFront(NS::UInteger paddingFront) {
  convolution_of(this).padding[kZ] = paddingFront;
}
void Convolution3DOpDescriptor::setPaddingBack(NS::UInteger paddingBack) { attributes_of(this).padding_after[kZ] = paddingBack; }

}  // namespace MPSGraph
