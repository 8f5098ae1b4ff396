// copy_: between dtypes, strides and devices. Host and device share memory, so what crosses is a memcpy, ordered with
// the stream: the CPU touches device memory only when the stream has nothing left to do.
#include <ATen/ops/_assert_async_native.h>
#include <ATen/EmptyTensor.h>
#include <torch/library.h>

#include "ops/copy_layout.h"
#include "ops/iteration.h"
#include "runtime/allocator.h"
#include "runtime/device.h"
#include "runtime/host_route.h"
#include "runtime/operator_wait.h"
#include "runtime/route.h"
#include "runtime/stream.h"

namespace torch_metal {

namespace {

CopyFlags flags_between(const at::Tensor& to, const at::Tensor& from) {
  return {to.is_conj() != from.is_conj(), to.is_neg() != from.is_neg()};
}

bool keeps_bits(const at::Tensor& to, const at::Tensor& from) {
  const CopyFlags flags = flags_between(to, from);
  return to.scalar_type() == from.scalar_type() && !flags.conjugate && !flags.negate;
}

// One part of an iterator, bits unchanged.
void move(const at::TensorIteratorBase& piece) {
  const BufferRange to = operand(piece, 0), from = operand(piece, 1);
  const size_t size = piece.element_size(0);
  if (!piece.is_contiguous()) {
    move_strided(copy_grid(piece).layout, size, to, from);
    return;
  }
  move_dense(piece.numel() * size, size, to, from);
}

void convert(const at::TensorIteratorBase& piece, const CopyFlags& flags) {
  const BufferRange to = operand(piece, 0), from = operand(piece, 1);
  const std::array<std::string_view, 2> types{metal_type(piece.dtype(0)), metal_type(piece.dtype(1))};
  if (piece.is_contiguous()) {
    launch_threads(kernel("copy", "copy_dense", types), {static_cast<uint64_t>(piece.numel())}, {256}, to, from, flags);
  } else {
    const CopyGrid g = copy_grid(piece);
    launch_threads(kernel("copy", "copy_strided",
                          {types[0], types[1], step_along_x(g.layout.to[0]), step_along_x(g.layout.from[0])}),
                   g.grid, g.threadgroup, to, from, flags, g.layout);
  }
}

void copy_on_host(const at::Tensor& to, const at::Tensor& from) {
  wait_for_operator();
  cpu_alias(to).copy_(cpu_alias(from));
}

// Both are memory that kernels can reach: metal or pinned.
void copy_on_device(const at::Tensor& to, const at::Tensor& from) {
  const bool bits = keeps_bits(to, from);
  auto iterator = at::TensorIteratorConfig()
                      .add_output(to)
                      .add_const_input(from)
                      .resize_outputs(false)
                      .check_all_same_dtype(false)
                      .check_all_same_device(false)
                      .build();
  const bool host_dtypes = needs_host(to) || needs_host(from) || at::isFloat8Type(to.scalar_type()) ||
                           at::isFloat8Type(from.scalar_type());
  if (!bits && host_dtypes) {
    copy_on_host(to, from);
    take_route(Route::host);
    return;
  }
  const CopyFlags flags = flags_between(to, from);
  for_each_part(iterator, [&](const auto& piece) {
    if (bits) {
      move(piece);
    } else {
      convert(piece, flags);
    }
  });
}

// A kernel is going to read or write pinned memory after we return: it is not reused before that.
void keep_pinned(const at::Tensor& host) { record_use(host.storage().data_ptr(), Stream::current_id()); }

// Pinned, and its dtype the device tensor's: kernels may work on it as it is.
bool can_use_in_place(const at::Tensor& host, const at::Tensor& device) {
  return host.scalar_type() == device.scalar_type() && is_pinned(host.const_data_ptr());
}

void copy_from_host(const at::Tensor& to, const at::Tensor& from, bool non_blocking) {
  if (Stream::current().is_idle()) {
    cpu_alias(to).copy_(from);
    return;
  }
  // The stream may still use what lies at `to`. Kernels copy in its order, from memory that stays as it is.
  at::Tensor source = from;
  if (!non_blocking || !can_use_in_place(from, to)) {
    source = at::detail::empty_generic(from.sizes(), host_allocator(), c10::DispatchKeySet(c10::DispatchKey::CPU),
                                       to.scalar_type(), std::nullopt);
    source.copy_(from);
  }
  keep_pinned(source);
  copy_on_device(to, source);
}

void copy_to_host(const at::Tensor& to, const at::Tensor& from, bool non_blocking) {
  if (non_blocking && can_use_in_place(to, from)) {
    keep_pinned(to);
    copy_on_device(to, from);
    return;
  }
  const at::Tensor source = from.resolve_conj().resolve_neg();  // the CPU has no kernel for both in halves
  wait_for_operator();
  to.copy_(cpu_alias(source));
}

at::Tensor& copy_(at::Tensor& self, const at::Tensor& source, bool non_blocking) {
  if (self.is_same(source)) return self;
  const OperatorScope scope("copy_");
  if (source.is_complex() && !self.is_complex() && self.scalar_type() != at::kBool) {
    TORCH_WARN_ONCE("Casting complex values to real discards the imaginary part");
  }
  if (self.numel() == 0 || source.numel() == 0) {
    source.expand(self.sizes());  // raises if the sizes do not fit
  } else if (self.device() == source.device()) {
    copy_on_device(self, source);
  } else if (source.is_cpu()) {
    copy_from_host(self, source, non_blocking);
  } else if (self.is_cpu()) {
    copy_to_host(self, source, non_blocking);
  } else {
    TORCH_CHECK_NOT_IMPLEMENTED(false, "Cannot copy from ", source.device(), " to ", self.device());
  }
  return self;
}

at::Tensor copy_from(const at::Tensor& source, const at::Tensor& to, bool non_blocking) {
  at::Tensor self = to;
  return copy_(self, source, non_blocking);
}

at::Tensor copy_from_and_resize(const at::Tensor& source, const at::Tensor& to) {
  to.resize_(source.sizes());
  return copy_from(source, to, /*non_blocking=*/false);
}

at::Scalar local_scalar_dense(const at::Tensor& self) {
  wait_for_operator();
  return at::_local_scalar_dense(cpu_alias(self));
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("copy_", TORCH_FN(copy_));
  m.impl("_copy_from", TORCH_FN(copy_from));
  m.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  m.impl("_local_scalar_dense", TORCH_FN(local_scalar_dense));
  // Read one value, as item() does, and raise here rather than later.
  m.impl("_assert_async", TORCH_FN(at::native::_assert_async_cpu));
  m.impl("_assert_async.msg", TORCH_FN(at::native::_assert_async_msg_cpu));
}

// These bits are dealt with above; PyTorch's fallback for them would copy to resolve them, and so come back here.
TORCH_LIBRARY_IMPL(aten, Conjugate, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }
TORCH_LIBRARY_IMPL(aten, Negative, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }

}  // namespace torch_metal
