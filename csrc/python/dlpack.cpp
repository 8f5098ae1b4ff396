#include "python/dlpack.h"

#include <ATen/DLConvertor.h>

#include "runtime/launch.h"

namespace torch_metal {

namespace {

// Metal's kernels take a buffer and an offset, not an address.
template <class Managed>
int64_t export_buffer(Managed* managed, const BufferRange& range) {
  managed->dl_tensor.device = {kDLMetal, 0};
  managed->dl_tensor.data = const_cast<MTL::Buffer*>(range.buffer);
  managed->dl_tensor.byte_offset = range.offset;
  return reinterpret_cast<int64_t>(managed);
}

}  // namespace

int64_t to_dlpack(const at::Tensor& tensor, bool versioned) {
  const BufferRange range = buffer_range(tensor);
  return versioned ? export_buffer(at::toDLPackVersioned(tensor), range) : export_buffer(at::toDLPack(tensor), range);
}

}  // namespace torch_metal
