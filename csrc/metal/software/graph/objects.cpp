// The classes that carry sizes, memory and attributes.
#include "graph/node.h"

namespace metal_software {
namespace {

template <class Object, class Class>
Object& object_of(Class* object) {
  return static_cast<Object&>(*object);
}

torch_metal::HostConvolution& convolution_of(MPSGraph::Convolution2DOpDescriptor* descriptor) {
  return object_of<Convolution2DOpDescriptorObject>(descriptor).convolution;
}

}  // namespace
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

Convolution2DOpDescriptor* Convolution2DOpDescriptor::alloc() { return new Convolution2DOpDescriptorObject(); }
Convolution2DOpDescriptor* Convolution2DOpDescriptor::init() { return this; }

void Convolution2DOpDescriptor::setStrideInX(NS::UInteger strideInX) { convolution_of(this).stride[1] = strideInX; }
void Convolution2DOpDescriptor::setStrideInY(NS::UInteger strideInY) { convolution_of(this).stride[0] = strideInY; }

void Convolution2DOpDescriptor::setDilationRateInX(NS::UInteger dilationRateInX) {
  convolution_of(this).dilation[1] = dilationRateInX;
}
void Convolution2DOpDescriptor::setDilationRateInY(NS::UInteger dilationRateInY) {
  convolution_of(this).dilation[0] = dilationRateInY;
}

void Convolution2DOpDescriptor::setPaddingLeft(NS::UInteger paddingLeft) {
  convolution_of(this).padding[1] = paddingLeft;
}
void Convolution2DOpDescriptor::setPaddingRight(NS::UInteger paddingRight) {
  object_of<Convolution2DOpDescriptorObject>(this).padding_after[1] = paddingRight;
}
void Convolution2DOpDescriptor::setPaddingTop(NS::UInteger paddingTop) { convolution_of(this).padding[0] = paddingTop; }
void Convolution2DOpDescriptor::setPaddingBottom(NS::UInteger paddingBottom) {
  object_of<Convolution2DOpDescriptorObject>(this).padding_after[0] = paddingBottom;
}

// There is one of each.
void Convolution2DOpDescriptor::setPaddingStyle(PaddingStyle) {}
void Convolution2DOpDescriptor::setDataLayout(TensorNamedDataLayout) {}
void Convolution2DOpDescriptor::setWeightsLayout(TensorNamedDataLayout) {}

void Convolution2DOpDescriptor::setGroups(NS::UInteger groups) { convolution_of(this).groups = groups; }

}  // namespace MPSGraph
