#include <ATen/ceil_div.h>

#include "ops/sparse/compressed.h"
#include "runtime/launch.h"
#include "sparse_params.h"

namespace torch_metal {

using at::Tensor;

namespace {

MatrixLayout layout_of(const Tensor& matrices) { return {matrices.stride(1), matrices.stride(2), matrices.stride(0)}; }

// The last dimensions are contiguous, as kernels want them; the batch may be broadcast.
CompressedRows dense_parts(const CompressedRows& a) {
  const auto settled = [](const Tensor& t) { return t.select(0, 0).is_contiguous() ? t : t.contiguous(); };
  return {settled(a.compressed), settled(a.plain), settled(a.values.resolve_conj().resolve_neg())};
}

CompressedLayout layout_of(const CompressedRows& a) {
  const bool blocks = a.has_blocks();
  return {a.compressed.stride(0), a.plain.stride(0), a.values.stride(0),
          blocks ? static_cast<uint32_t>(a.values.size(2)) : 1, blocks ? static_cast<uint32_t>(a.values.size(3)) : 1};
}

constexpr int64_t kLongRow = 16;

template <class Scalar>
void multiply(const Tensor& out, const CompressedRows& a, const Tensor& dense, const Tensor& self, Scalar beta,
              Scalar alpha, std::string_view scalar_type) {
  const uint64_t batch = out.size(0), rows = out.size(1), columns = out.size(2);
  const SparseProductParams<Scalar> params{
      static_cast<uint32_t>(rows), static_cast<uint32_t>(columns), layout_of(a), layout_of(dense), layout_of(self),
      layout_of(out),              alpha,                          beta};
  const std::string_view type = metal_type(out.scalar_type()), index = metal_type(a.plain.scalar_type());
  if constexpr (std::is_same_v<Scalar, float>) {
    if (columns == 1 && !a.has_blocks() && a.plain.size(1) >= kLongRow * static_cast<int64_t>(rows)) {
      return launch_groups(kernel("sparse", "rows_times_vector", {type, index}), {1, rows, batch}, {kSimdWidth}, out,
                           a.compressed, a.plain, a.values, dense, self, params);
    }
  }
  // Lanes run along the columns, or along the rows if there are few of those.
  const Extent threadgroup = columns >= 16 ? Extent{kSimdWidth} : Extent{columns, at::ceil_div<uint64_t>(32, columns)};
  launch_threads(kernel("sparse", "rows_times_dense", {type, index, scalar_type}), {columns, rows, batch}, threadgroup,
                 out, a.compressed, a.plain, a.values, dense, self, params);
}

}  // namespace

void multiply_rows_into(const Tensor& out, const CompressedRows& a, const Tensor& dense, const Tensor& self,
                        const at::Scalar& beta, const at::Scalar& alpha) {
  if (out.numel() == 0) return;
  TORCH_CHECK(std::max(out.size(1), out.size(2)) <= UINT32_MAX,
              "sparse matrix multiplication on metal takes fewer than 2^32 rows and columns, but got ", out.sizes());
  const CompressedRows parts = dense_parts(a);
  const Tensor factor = dense.resolve_conj().resolve_neg(), addend = self.resolve_conj().resolve_neg();
  if (out.is_complex()) {
    using Complex = c10::complex<float>;
    return multiply(out, parts, factor, addend, beta.to<Complex>(), alpha.to<Complex>(), "float2");
  }
  if (at::isIntegralType(out.scalar_type(), false)) {
    return multiply(out, parts, factor, addend, beta.to<int64_t>(), alpha.to<int64_t>(), "long");
  }
  multiply(out, parts, factor, addend, beta.to<float>(), alpha.to<float>(), "float");
}

}  // namespace torch_metal
