#include "runtime/host_route.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/List.h>
#include <ATen/native/Resize.h>
#include <c10/core/CPUAllocator.h>

#include <cstring>

#include "runtime/allocator.h"
#include "runtime/device.h"
#include "runtime/generator.h"
#include "runtime/operator_wait.h"
#include "runtime/sparse_parts.h"

namespace torch_metal {

namespace {

bool is_metal(const at::TensorBase& tensor) { return tensor.defined() && tensor.device().type() == kMetal; }

// Tensors of a call that were aliased: the metal tensor and its stand-in on the CPU.
struct Aliased {
  at::Tensor original;
  at::Tensor alias;
};

/// One call on the CPU: arguments go there, results come back.
class HostCall {
 public:
  void convert_arguments(at::ArrayRef<c10::IValue> arguments, torch::jit::Stack& converted) {
    for (const c10::IValue& argument : arguments) converted.push_back(to_host(argument));
  }

  /// CPU kernels may have resized what they wrote to, or conjugated it lazily; the metal tensors follow.
  void write_back() {
    for (const Aliased& a : aliased_) {
      if (is_sparse_layout(a.original.layout())) {
        write_back_sparse(a);
        continue;
      }
      a.original._set_conj(a.alias.is_conj());
      a.original._set_neg(a.alias.is_neg());
      const void* const where = a.original.storage().data();
      if (a.alias.storage().data() == where && a.alias.sizes() == a.original.sizes() &&
          a.alias.strides() == a.original.strides())
        continue;
      const size_t bytes = at::detail::computeStorageNbytes(
          a.alias.sizes(), a.alias.strides(), a.alias.itemsize(), a.original.storage_offset());
      c10::StorageImpl* const storage = a.original.storage().unsafeGetStorageImpl();
      if (bytes > storage->nbytes()) resize_storage(storage, bytes);
      a.original.unsafeGetTensorImpl()->set_sizes_and_strides(a.alias.sizes(), a.alias.strides());
      wait_for_operator();
      cpu_alias(a.original).copy_(a.alias);
    }
  }

  c10::IValue to_metal(const c10::IValue& value) {
    if (value.isTensor()) return tensor_to_metal(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(tensor_to_metal(tensor));
      return list;
    }
    return value;
  }

 private:
  c10::IValue to_host(const c10::IValue& value) {
    if (value.isTensor()) return alias(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(alias(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector())
        list.push_back(tensor ? std::optional<at::Tensor>(alias(*tensor)) : std::nullopt);
      return list;
    }
    if (value.isDevice() && value.toDevice().type() == kMetal) return c10::Device(c10::kCPU);
    if (value.isGenerator() && value.toGenerator().device().type() == kMetal) return host_generator(value.toGenerator());
    return value;
  }

  at::Tensor alias(const at::Tensor& tensor) {
    if (!is_metal(tensor)) return tensor;
    for (const Aliased& a : aliased_)
      if (a.original.is_same(tensor)) return a.alias;
    aliased_.push_back({tensor, is_sparse_layout(tensor.layout()) ? sparse_alias(tensor) : cpu_alias(tensor)});
    return aliased_.back().alias;
  }

  at::Tensor sparse_alias(const at::Tensor& tensor) {
    std::vector<at::Tensor> parts = sparse_parts(tensor);
    for (at::Tensor& part : parts) part = alias(part);
    return with_parts(tensor, parts);
  }

  // CPU kernels replace the parts of what they write to, or write to them in place.
  void write_back_sparse(const Aliased& a) const {
    std::vector<at::Tensor> parts = sparse_parts(a.alias);
    for (at::Tensor& part : parts) part = tensor_to_metal(part);
    replace_parts(a.original, a.alias, parts);
  }

  at::Tensor sparse_to_metal(const at::Tensor& tensor) const {
    std::vector<at::Tensor> parts = sparse_parts(tensor);
    for (at::Tensor& part : parts) part = tensor_to_metal(part);
    return with_parts(tensor, parts);
  }

  // A CPU generator whose numbers follow from the metal generator's state.
  static at::Generator host_generator(const at::Generator& generator) {
    const PhiloxState state = reserve_philox(generator, 1);
    return at::detail::createCPUGenerator(state.seed + state.offset * 0x9e3779b97f4a7c15u);
  }

  at::Tensor tensor_to_metal(const at::Tensor& tensor) const {
    if (!tensor.defined() || !tensor.device().is_cpu()) return tensor;
    for (const Aliased& a : aliased_)
      if (a.alias.is_same(tensor)) return a.original;
    if (is_sparse_layout(tensor.layout())) return sparse_to_metal(tensor);
    for (const Aliased& a : aliased_)
      if (shares_storage(a, tensor)) return view_of(a.original, tensor);
    if (!tensor.is_non_overlapping_and_dense()) return tensor_to_metal(tensor.contiguous());
    at::Tensor result = at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(kMetalDevice));
    wait_for_operator();
    cpu_alias(result).copy_(tensor);
    return result;
  }

  // Where `tensor` is in memory that both devices see: a storage that grew on the CPU has moved away from it.
  static bool shares_storage(const Aliased& a, const at::Tensor& tensor) {
    return a.alias.layout() == at::kStrided && tensor.has_storage() &&
           a.alias.storage().is_alias_of(tensor.storage()) && tensor.storage().data() == a.original.storage().data();
  }

  // The metal tensor that sees `original`'s memory as `view` sees its alias's.
  static at::Tensor view_of(const at::Tensor& original, const at::Tensor& view) {
    at::Tensor result = at::detail::make_tensor<at::TensorImpl>(
        c10::TensorImpl::VIEW, c10::Storage(original.storage()), original.key_set(), view.dtype());
    result.unsafeGetTensorImpl()->set_storage_offset(view.storage_offset());
    result.unsafeGetTensorImpl()->set_sizes_and_strides(view.sizes(), view.strides());
    result._set_conj(view.is_conj());
    result._set_neg(view.is_neg());
    return result;
  }

  std::vector<Aliased> aliased_;
};

// The position of the argument that result `i` is by the schema: an output or an in-place argument.
std::optional<size_t> written_argument(const c10::FunctionSchema& schema, size_t i) {
  const auto* const alias = schema.returns()[i].alias_info();
  if (!alias || !alias->isWrite()) return std::nullopt;
  for (size_t k = 0; k < schema.arguments().size(); ++k) {
    const auto* const argument = schema.arguments()[k].alias_info();
    if (argument && argument->isWrite() && argument->beforeSets() == alias->beforeSets()) return k;
  }
  return std::nullopt;
}

}  // namespace

bool needs_host(const at::TensorBase& tensor) {
  return is_metal(tensor) && (tensor.scalar_type() == at::kDouble || tensor.scalar_type() == at::kComplexDouble);
}

at::Tensor cpu_alias(const at::Tensor& tensor) {
  if (!is_metal(tensor)) return tensor;
  const c10::Storage& storage = tensor.storage();
  auto* const owner = new c10::Storage(storage);
  c10::DataPtr data(storage.unsafeGetStorageImpl()->mutable_data(), owner,
                    [](void* context) { delete static_cast<c10::Storage*>(context); }, c10::kCPU);
  c10::Storage alias(c10::Storage::use_byte_size_t(), storage.nbytes(), std::move(data), c10::GetCPUAllocator(),
                     /*resizable=*/true);
  at::Tensor result = at::detail::make_tensor<at::TensorImpl>(
      std::move(alias), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
  c10::TensorImpl* const impl = result.unsafeGetTensorImpl();
  impl->set_storage_offset(tensor.storage_offset());
  impl->set_sizes_and_strides(tensor.sizes(), tensor.strides());
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) impl->set_wrapped_number(true);
  result._set_conj(tensor.is_conj());
  result._set_neg(tensor.is_neg());
  return result;
}

c10::DispatchKey host_key(const torch::jit::Stack& stack, size_t argument_count) {
  c10::DispatchKeySet keys;
  const auto add = [&](const at::Tensor& tensor) { keys = keys | tensor.key_set(); };
  for (const c10::IValue& argument : torch::jit::last(stack, argument_count)) {
    if (argument.isTensor()) add(argument.toTensor());
    if (argument.isTensorList())
      for (const at::Tensor& tensor : argument.toTensorVector()) add(tensor);
  }
  if (keys.has(c10::DispatchKey::SparseCsrPrivateUse1)) return c10::DispatchKey::SparseCsrCPU;
  if (keys.has(c10::DispatchKey::SparsePrivateUse1)) return c10::DispatchKey::SparseCPU;
  return c10::DispatchKey::CPU;
}

void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack, Route route) {
  const c10::FunctionSchema& schema = op.schema();
  const size_t argument_count = schema.arguments().size();
  const c10::DispatchKey key = host_key(*stack, argument_count);
  wait_for_operator();

  const torch::jit::Stack arguments = torch::jit::pop(*stack, argument_count);
  HostCall call;
  torch::jit::Stack host_stack;
  call.convert_arguments(arguments, host_stack);
  op.redispatchBoxed(c10::DispatchKeySet(key), &host_stack);
  call.write_back();
  for (size_t i = 0; i < host_stack.size(); ++i) {
    const auto argument = written_argument(schema, i);
    torch::jit::push(*stack, argument ? arguments[*argument] : call.to_metal(host_stack[i]));
  }
  take_route(route);
}

}  // namespace torch_metal
