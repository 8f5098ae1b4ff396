// Running an operator on the CPU over the same unified memory, without copying its inputs.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include "runtime/route.h"

namespace torch_metal {

/// A CPU tensor over the same bytes (sizes, strides, dtype, conj and neg bits kept; shares no autograd).
/// The caller has synchronised. CPU tensors come back as they are.
at::Tensor cpu_alias(const at::Tensor& tensor);

/// The CPU's key for a call with these arguments, the last of `stack`: that of sparse tensors if one is.
c10::DispatchKey host_key(const torch::jit::Stack& stack, size_t argument_count);

/// Runs `op` with the arguments on `stack` on the CPU: metal tensors are aliased, results that are new become
/// metal tensors, results that are an argument stay that argument. Counts as `route` (host or fallback).
void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack, Route route);

/// True for dtypes that no Apple GPU has: float64, complex128. Zero-dimensional CPU tensors do not count.
bool needs_host(const at::TensorBase& tensor);

}  // namespace torch_metal
