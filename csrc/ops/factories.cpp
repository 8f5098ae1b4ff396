// Tensors without values, storages that grow, shrink, are exchanged and used by other streams.
#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <ATen/native/ResizeCommon.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/from_file.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include "ops/registration.h"
#include "runtime/allocator.h"
#include "runtime/device.h"

namespace torch_metal {

namespace {

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

void check_options(std::optional<at::Layout> layout, std::optional<at::Device> device, std::optional<bool> pin_memory) {
  TORCH_CHECK_NOT_IMPLEMENTED(layout.value_or(at::kStrided) == at::kStrided,
                              "The metal device has dense tensors only, not ", *layout);
  TORCH_CHECK(!pin_memory.value_or(false), "Only dense CPU tensors can be pinned");
  check_device_index(device ? device->index() : -1);
}

// torch.use_deterministic_algorithms(True) fills fresh memory, so that reading it shows.
at::Tensor finish(at::Tensor tensor) {
  if (C10_UNLIKELY(at::globalContext().deterministicAlgorithms() &&
                   at::globalContext().deterministicFillUninitializedMemory()))
    at::native::fill_empty_deterministic_(tensor);
  return tensor;
}

at::Tensor empty_memory_format(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype,
                               std::optional<at::Layout> layout, std::optional<at::Device> device,
                               std::optional<bool> pin_memory, std::optional<at::MemoryFormat> memory_format) {
  check_options(layout, device, pin_memory);
  return finish(at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), device_allocator(), kKeys,
                                          c10::dtype_or_default(dtype), memory_format));
}

at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout> layout, std::optional<at::Device> device,
                         std::optional<bool> pin_memory) {
  check_options(layout, device, pin_memory);
  return finish(at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
                                                  device_allocator(), kKeys, c10::dtype_or_default(dtype)));
}

// Zeros that take no memory: gradients that autograd knows to vanish.
at::Tensor efficientzerotensor(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype,
                               std::optional<at::Layout> layout, std::optional<at::Device> device,
                               std::optional<bool> pin_memory) {
  check_options(layout, device, pin_memory);
  at::native::ZeroTensorAllocator allocator(kMetalDevice);
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &allocator,
                                   c10::DispatchKeySet({c10::DispatchKey::PrivateUse1, c10::DispatchKey::ZeroTensor}),
                                   c10::dtype_or_default(dtype), std::nullopt);
}

const at::Tensor& resize_(const at::Tensor& self, c10::SymIntArrayRef size,
                          std::optional<at::MemoryFormat> memory_format) {
  const at::IntArrayRef sizes = C10_AS_INTARRAYREF_SLOW(size);
  const int64_t old_bytes = self.unsafeGetTensorImpl()->unsafe_storage() ? self.storage().nbytes() : 0;
  c10::TensorImpl* const impl = self.unsafeGetTensorImpl();
  if (self.sizes() != sizes) {
    at::detail::check_size_nonnegative(sizes);
    const size_t needed = at::detail::computeStorageNbytesContiguous(sizes, self.element_size(), self.storage_offset());
    if (c10::multiply_integers(sizes) > 0 && needed > static_cast<size_t>(old_bytes))
      resize_storage(self.storage().unsafeGetStorageImpl(), needed);
    impl->set_sizes_contiguous(sizes);
  }
  if (memory_format && *memory_format != at::MemoryFormat::Preserve) impl->empty_tensor_restride(*memory_format);
  const auto& context = at::globalContext();
  if (C10_UNLIKELY(context.deterministicAlgorithms() && context.deterministicFillUninitializedMemory()))
    at::native::fill_resize_deterministic_(self, old_bytes);
  return self;
}

at::Tensor& set_storage(at::Tensor& self, at::Storage source, c10::SymInt offset, c10::SymIntArrayRef size,
                        c10::SymIntArrayRef stride) {
  const at::IntArrayRef sizes = C10_AS_INTARRAYREF_SLOW(size), strides = C10_AS_INTARRAYREF_SLOW(stride);
  const int64_t start = offset.guard_int(__FILE__, __LINE__);
  at::native::checkSetStorage(self, source, start, sizes, strides);
  c10::TensorImpl* const impl = self.unsafeGetTensorImpl();
  impl->set_storage_offset(start);
  if (strides.data()) {
    impl->set_sizes_and_strides(sizes, strides);
  } else {
    impl->set_sizes_contiguous(sizes);
  }
  const size_t needed = at::detail::computeStorageNbytes(self.sizes(), self.strides(), self.element_size(), start);
  if (self.numel() > 0 && needed > source.nbytes()) resize_storage(source.unsafeGetStorageImpl(), needed);
  return self;
}

at::Tensor& set_source_storage(at::Tensor& self, at::Storage source) {
  const int64_t elements = static_cast<int64_t>(source.nbytes() / self.element_size());
  return set_storage(self, std::move(source), 0, {elements}, {});
}

at::Tensor& set_tensor(at::Tensor& self, const at::Tensor& source) {
  if (self.is_same(source)) return self;
  return set_storage(self, source.storage(), source.storage_offset(), source.sym_sizes(), source.sym_strides());
}

at::Tensor& set_empty(at::Tensor& self) {
  at::Storage storage(c10::Storage::use_byte_size_t(), 0, device_allocator(), /*resizable=*/true);
  return set_storage(self, std::move(storage), 0, {0}, {});
}

// Whether `self.data = from` may change self's device. With it a module's parameters stay the same objects when it moves:
// an optimizer that has them already, and layers that share them, still do.
bool has_compatible_shallow_copy_type(const at::Tensor& self, const at::Tensor& from) {
  const auto is_dense = [](const at::Tensor& t) {
    return t.layout() == at::kStrided && (t.is_cpu() || t.is_privateuseone());
  };
  return (is_dense(self) && is_dense(from)) ||
         self.unsafeGetTensorImpl()->has_compatible_shallow_copy_type(from.key_set());
}

/// The file's contents; a mapping that others share cannot be device memory.
at::Tensor from_file(std::string_view filename, std::optional<bool> shared, std::optional<int64_t> size,
                     std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                     std::optional<at::Device> device, std::optional<bool> pinned) {
  TORCH_CHECK_NOT_IMPLEMENTED(!shared.value_or(false), "from_file on metal: what is written to the tensor would not "
                              "reach the shared file; map it on the CPU and copy it");
  return at::from_file(filename, shared, size, dtype, layout, at::kCPU, pinned).to(device.value_or(kMetalDevice));
}

void record_stream(at::Tensor& self, c10::Stream stream) { record_use(self.storage().data_ptr(), stream.id()); }

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", TORCH_FN(empty_memory_format));
  m.impl("empty_strided", TORCH_FN(empty_strided));
  m.impl("_efficientzerotensor", TORCH_FN(efficientzerotensor));
  m.impl("resize_", TORCH_FN(resize_));
  m.impl("set_.source_Storage", TORCH_FN(set_source_storage));
  m.impl("set_.source_Storage_storage_offset", TORCH_FN(set_storage));
  m.impl("set_.source_Tensor", TORCH_FN(set_tensor));
  m.impl("set_", TORCH_FN(set_empty));
  m.impl("_has_compatible_shallow_copy_type", TORCH_FN(has_compatible_shallow_copy_type));
  METAL_IMPL(m, "from_file", from_file);
  m.impl("record_stream", TORCH_FN(record_stream));
}

}  // namespace torch_metal
