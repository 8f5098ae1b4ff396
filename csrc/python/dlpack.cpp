#include "python/dlpack.h"

#include <ATen/DLConvertor.h>

#include "runtime/launch.h"

namespace torch_metal {

namespace {

// Metal's kernels take a buffer and an offset, not an address.
void point_at_buffer(DLTensor& exported, const at::Tensor& tensor) {
  const BufferRange range = buffer_range(tensor);
  exported.device = {kDLMetal, 0};
  exported.data = const_cast<MTL::Buffer*>(range.buffer);
  exported.byte_offset = range.offset;
}

template <class Managed>
pybind11::capsule capsule_of(Managed* managed, const at::Tensor& tensor, const char* name) {
  point_at_buffer(managed->dl_tensor, tensor);
  return pybind11::capsule(managed, name, [](PyObject* capsule) {
    // A consumer renames the capsule and becomes the owner.
    const char* const now = PyCapsule_GetName(capsule);
    if (std::string_view(now).starts_with("used_")) return;
    auto* const owned = static_cast<Managed*>(PyCapsule_GetPointer(capsule, now));
    if (owned->deleter) owned->deleter(owned);
  });
}

}  // namespace

pybind11::capsule to_dlpack(const at::Tensor& tensor, bool versioned) {
  if (versioned) return capsule_of(at::toDLPackVersioned(tensor), tensor, "dltensor_versioned");
  return capsule_of(at::toDLPack(tensor), tensor, "dltensor");
}

}  // namespace torch_metal
