// Every operator without a kernel of ours: on the CPU, over the same memory, counted by name.
#include <torch/library.h>

#include "runtime/host_route.h"
#include "runtime/route.h"

namespace torch_metal {

namespace {

void fall_back(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string name = toString(op.operator_name());
  const OperatorScope scope(name.c_str());
  const c10::DispatchKey host = host_key(*stack, op.schema().arguments().size());
  TORCH_CHECK_NOT_IMPLEMENTED(op.hasComputedKernelForDispatchKey(host), "The operator '", name,
                              "' has no kernel for the metal device, nor one for the CPU (", host, ") to fall back on");
  record_fallback(name);
  run_on_host(op, stack, Route::fallback);
}

}  // namespace

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fall_back>()); }
TORCH_LIBRARY_IMPL(_, SparsePrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fall_back>()); }
TORCH_LIBRARY_IMPL(_, SparseCsrPrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&fall_back>());
}

}  // namespace torch_metal
