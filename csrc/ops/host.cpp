// Operators that run on the CPU by design, on the same memory. One table, with the reason of each.
#include <ATen/ops/geqrf_native.h>
#include <ATen/ops/linalg_eig_native.h>
#include <ATen/ops/linalg_householder_product_native.h>
#include <ATen/ops/ormqr.h>

#include "ops/registration.h"

namespace torch_metal {
namespace {

struct HostOperator {
  const char* name;
  const char* reason;
};

constexpr const char* kSerial = "an iteration of many short dependent steps: LAPACK beats a GPU at all usual sizes";
constexpr const char* kNarrow = "works column by column, each too short to fill a GPU: LAPACK is faster";

constexpr const char* kFloat64 = "powers in float64, without which integers would be cut off below the right one";

constexpr HostOperator kHostOperators[] = {
    {"_linalg_svd.U", kSerial},
    {"_linalg_eigvals", kSerial},
    {"linalg_eigvals.out", kSerial},
    {"_linalg_eigh.eigenvalues", kSerial},
    {"linalg_eig.out", kSerial},
    {"linalg_lstsq.out", kSerial},
    {"linalg_qr.out", kNarrow},
    {"geqrf.a", kNarrow},
    {"ormqr.out", kNarrow},
    {"linalg_householder_product.out", kNarrow},
    {"linalg_ldl_factor_ex.out", kNarrow},
    {"linalg_ldl_solve.out", kNarrow},
    {"logspace.out", kFloat64},
};

void run_by_design(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string name = toString(op.operator_name());
  const OperatorScope scope(name.c_str());
  run_on_host(op, stack, Route::host);
}

at::Tensor ormqr(const at::Tensor& self, const at::Tensor& tau, const at::Tensor& other, bool left, bool transpose) {
  at::Tensor out = at::empty({0}, self.options());
  return at::ormqr_out(out, self, tau, other, left, transpose);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  for (const HostOperator& op : kHostOperators) {
    m.impl(op.name, torch::CppFunction::makeFromBoxedFunction<&run_by_design>());
  }
  // These allocate their results on the device and call the .out form: nothing is copied.
  METAL_IMPL(m, "linalg_eig", at::native::linalg_eig);
  METAL_IMPL(m, "geqrf", at::native::geqrf);
  METAL_IMPL(m, "ormqr", ormqr);
  METAL_IMPL(m, "linalg_householder_product", at::native::linalg_householder_product);
}

TORCH_LIBRARY_IMPL(aten, SparseCsrPrivateUse1, m) {
  m.impl("triangular_solve.X", torch::CppFunction::makeFromBoxedFunction<&run_by_design>());  // kSerial: row by row
}

}  // namespace
}  // namespace torch_metal
