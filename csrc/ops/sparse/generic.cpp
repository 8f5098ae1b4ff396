// Operators on sparse tensors that PyTorch writes in terms of operators on their indices and values, which are ours.
// The functions behind its CPU keys never touch memory themselves, so they are the metal device's too.
#include <torch/library.h>

#include <string>

#include "ops/registration.h"

namespace torch_metal {
namespace {

/// Each has a functional, an in-place and an out= form, for COO and for compressed tensors.
constexpr const char* kUnary[] = {
    "abs",      "sgn",    "asinh",  "atanh",   "asin",    "atan",  "ceil", "erf",  "expm1", "floor",
    "frac",     "log1p",  "neg",    "round",   "sin",     "sinh",  "sqrt", "tan",  "tanh",  "trunc",
    "rad2deg",  "deg2rad", "erfinv", "sign",
};
/// The same without an in-place form.
constexpr const char* kPredicates[] = {"signbit", "isposinf", "isneginf"};

constexpr const char* kBoth[] = {
    "copy_", "clone", "zero_", "empty.memory_format", "empty_like", "isnan", "isinf", "relu", "relu_",
    "threshold_backward", "threshold_backward.grad_input", "conj_physical.out", "sum", "sum.dim_IntList", "mm",
    "mm.out", "mul.Tensor", "mul_.Tensor", "add.Tensor", "add_.Tensor", "resize_as_sparse_", "_to_dense",
    "sparse_dim", "dense_dim", "_nnz", "values", "is_pinned", "_pin_memory", "_to_sparse", "_to_sparse.sparse_dim",
    "_to_sparse_csr", "_to_sparse_csc",
};

constexpr const char* kCoo[] = {
    "view_as_real", "view_as_complex", "_sparse_broadcast_to", "cat", "div.Tensor", "div_.Tensor", "div.out",
    "div.Tensor_mode", "div_.Tensor_mode", "div.out_mode", "floor_divide", "floor_divide_.Tensor", "floor_divide.out",
    "nan_to_num", "nan_to_num_", "nan_to_num.out", "mv", "narrow_copy", "permute", "unsqueeze", "zeros.out",
    "native_norm", "native_norm.ScalarOpt_dim_dtype", "norm.ScalarOpt_dim_dtype", "norm.ScalarOpt_dim", "sub.out",
    "sub.Tensor", "sub_.Tensor", "_sparse_coo_tensor_with_dims", "_sparse_coo_tensor_with_dims_and_tensors",
    "sparse_resize_", "sparse_resize_and_clear_", "_dimI", "_dimV", "is_coalesced",
    "_indices", "_values", "_coalesced_", "indices", "copy_sparse_to_sparse_", "any", "pow.Tensor_Scalar_out",
    "pow.Tensor_Scalar", "_to_sparse_bsr", "_to_sparse_bsc",
};

constexpr const char* kCompressed[] = {
    "angle", "angle.out", "_conj_physical", "conj_physical_", "resize_", "fill_.Scalar", "mul.out", "mul.Scalar",
    "mul_.Scalar", "select.int", "select_copy.int", "addmm", "crow_indices", "col_indices", "ccol_indices",
    "row_indices", "normal_", "sparse_mask",
};

void run_generic(const c10::OperatorHandle& op, torch::jit::Stack* stack, c10::DispatchKey key) {
  const std::string name = toString(op.operator_name());
  const OperatorScope scope(name.c_str());
  op.redispatchBoxed(c10::DispatchKeySet(key), stack);
}
void run_coo(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  run_generic(op, stack, c10::DispatchKey::SparseCPU);
}
void run_compressed(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  run_generic(op, stack, c10::DispatchKey::SparseCsrCPU);
}

template <auto function, class Names>
void add(torch::Library& m, const Names& names, const char* suffix = "") {
  for (const char* name : names)
    m.impl((std::string(name) + suffix).c_str(), torch::CppFunction::makeFromBoxedFunction<function>());
}

template <auto function>
void add_shared(torch::Library& m) {
  for (const char* suffix : {"", "_", ".out"}) add<function>(m, kUnary, suffix);
  for (const char* suffix : {"", ".out"}) add<function>(m, kPredicates, suffix);
  add<function>(m, kBoth);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, SparsePrivateUse1, m) {
  add_shared<&run_coo>(m);
  add<&run_coo>(m, kCoo);
}

TORCH_LIBRARY_IMPL(aten, SparseCsrPrivateUse1, m) {
  add_shared<&run_compressed>(m);
  add<&run_compressed>(m, kCompressed);
}

}  // namespace torch_metal
