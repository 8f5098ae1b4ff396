// What encoders have in common, and BlitCommandEncoder.
#include <Metal/Metal.hpp>

#include "api/objects.h"
#include "execution/submission.h"
#include "execution/text.h"

namespace MTL {

using metal_software::concat;

CommandEncoder::CommandEncoder(CommandBuffer* command_buffer, metal_software::Submission& submission)
    : command_buffer_(NS::RetainPtr(command_buffer)), submission_(submission) {}

CommandEncoder::~CommandEncoder() = default;

void CommandEncoder::setLabel(const NS::String* label) { metal_software::assign_copy(label_, label); }

void CommandEncoder::endEncoding() {
  if (!recording()) return;
  endUnordered();
  ended_ = true;
  submission_.encoding = false;
}

bool CommandEncoder::recording() {
  if (submission_.committed()) return false;
  if (ended_) submission_.fail(CommandBufferErrorInternal, "an encoder was used after endEncoding()");
  return !ended_;
}

namespace {

std::byte* address_of(const Buffer* buffer, NS::UInteger offset) {
  return reinterpret_cast<std::byte*>(buffer->gpuAddress()) + offset;
}

// Notes an error if the range is not inside the buffer.
bool check_range(metal_software::Submission& submission, const char* what, const Buffer* buffer, NS::UInteger offset,
                 NS::UInteger size) {
  if (!buffer) {
    submission.fail(CommandBufferErrorInvalidResource, concat(what, ": no buffer"));
    return false;
  }
  const bool inside = offset <= buffer->length() && size <= buffer->length() - offset;
  if (!inside)
    submission.fail(CommandBufferErrorInvalidResource, concat(what, ": ", size, " bytes at offset ", offset,
                                                              " reach beyond the end of a buffer of ",
                                                              buffer->length(), " bytes"));
  return inside;
}

}  // namespace

void BlitCommandEncoder::copyFromBuffer(const Buffer* sourceBuffer, NS::UInteger sourceOffset,
                                        const Buffer* destinationBuffer, NS::UInteger destinationOffset,
                                        NS::UInteger size) {
  if (!recording() || !check_range(submission_, "copyFromBuffer, source", sourceBuffer, sourceOffset, size) ||
      !check_range(submission_, "copyFromBuffer, destination", destinationBuffer, destinationOffset, size))
    return;
  submission_.references.add(sourceBuffer);
  submission_.references.add(destinationBuffer);
  auto* const copy = submission_.append<metal_software::Copy>();
  copy->source = address_of(sourceBuffer, sourceOffset);
  copy->destination = address_of(destinationBuffer, destinationOffset);
  copy->bytes = size;
}

void BlitCommandEncoder::fillBuffer(const Buffer* buffer, NS::Range range, uint8_t value) {
  if (!recording() || !check_range(submission_, "fillBuffer", buffer, range.location, range.length)) return;
  submission_.references.add(buffer);
  auto* const fill = submission_.append<metal_software::Fill>();
  fill->destination = address_of(buffer, range.location);
  fill->bytes = range.length;
  fill->value = value;
}

}  // namespace MTL
