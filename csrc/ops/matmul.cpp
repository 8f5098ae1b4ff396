// The matrix multiplication family: mm, addmm, bmm, baddbmm, addmv, dot, vdot, and what PyTorch composes of them.
#include "ops/matmul.h"

#include <ATen/Dispatch.h>
#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/ceil_div.h>
#include <ATen/ops/addmm_meta.h>
#include <ATen/ops/addmv_meta.h>
#include <ATen/ops/baddbmm_meta.h>
#include <ATen/ops/bmm_meta.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm_meta.h>

#include <algorithm>
#include <string>

#include "divisor.h"
#include "matmul_params.h"
#include "ops/gemm_tile.h"
#include "ops/matmul_graph.h"
#include "ops/narrow.h"
#include "ops/structured.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

constexpr uint64_t kManyRows = 64;        // that occupy the device with one SIMD-group each
constexpr uint64_t kMaxSharedRow = 8192;  // elements of rows of which one SIMD-group computes several

/// MSL's float2.
struct alignas(8) Float2 {
  float x, y;
};

template <class Scalar>
Scalar scalar_of(const at::Scalar& value) {
  return value.to<Scalar>();
}
template <>
Float2 scalar_of<Float2>(const at::Scalar& value) {
  const auto number = value.to<c10::complex<float>>();
  return {number.real(), number.imag()};
}

// Matrices are [rows, columns], or [batch, rows, columns].
int64_t batch_of(const at::Tensor& matrices) { return matrices.dim() == 3 ? matrices.size(0) : 1; }

MatrixLayout layout_of(const at::Tensor& matrices) {
  return {matrices.stride(-2), matrices.stride(-1), batch_of(matrices) == 1 ? 0 : matrices.stride(0)};
}

/// A vector as a matrix of one column or one row.
MatrixLayout column_layout(const at::Tensor& vector) { return {vector.stride(0), 0, 0}; }
MatrixLayout row_layout(const at::Tensor& vector) { return {0, vector.stride(0), 0}; }

/// Which of the kernels in matmul.metal computes a product.
enum class Algorithm { gemv, gemv_rows, gemv_columns, multiply_thin, multiply_long, gemm, each };

constexpr int64_t kThin = 8;       // columns, or rows, of which a tile would be all edge
constexpr int64_t kShortSum = 32;  // terms of a sum that one thread computes
constexpr int64_t kLongSum = 512;  // terms that occupy a threadgroup

/// Whether one thread may as well compute a row: points by transforms, and the like.
bool is_thin(int64_t inner, int64_t columns) { return columns <= kThin && inner <= kShortSum; }

template <class Scalar>
Algorithm choose_algorithm(const MatmulParams<Scalar>& params, uint64_t batch, at::ScalarType dtype) {
  if (!at::isFloatingType(dtype)) return Algorithm::each;
  const uint64_t rows = params.m * batch;
  const bool has_rows = (params.n > 1 || rows >= kManyRows) && rows <= kMaxGridThreads;
  if (has_rows && is_thin(params.k, params.n)) return Algorithm::multiply_thin;
  const bool has_few_outputs = params.n > 1 && std::max(params.m, params.n) <= kThin;
  if (has_few_outputs && params.k >= kLongSum && batch <= kMaxGridThreads / kLongThreads)
    return Algorithm::multiply_long;
  if (params.n > 1) return Algorithm::gemm;
  const bool columns_are_contiguous = params.a.row == 1 && params.a.column != 1;
  if (columns_are_contiguous && params.m >= kSimdWidth) return Algorithm::gemv_columns;
  const bool dense = params.a.column == 1 && params.b.row == 1;
  const bool many_short_rows = params.m * batch >= kGemvRows * kManyRows && params.k <= kMaxSharedRow;
  return dense && many_short_rows ? Algorithm::gemv_rows : Algorithm::gemv;
}

/// Binds the arguments that all kernels of the family share, and launches the chosen one.
template <class Scalar>
void launch_matmul(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                   const MatmulParams<Scalar>& params, uint64_t batch) {
  const std::string_view type = metal_type(out.scalar_type());
  switch (choose_algorithm(params, batch, out.scalar_type())) {
    case Algorithm::gemv: {
      // Rows that are few take more threads each.
      const uint64_t wanted = params.m * batch >= kManyRows ? params.k / 256 : params.k / 8;
      const uint64_t threads = std::clamp<uint64_t>(wanted / kSimdWidth * kSimdWidth, kSimdWidth, 512);
      return launch_groups(kernel("matmul", "gemv", {type}), {1, params.m, batch}, {threads}, out, a, b, self, params);
    }
    case Algorithm::gemv_rows: {
      const Extent grid{1, at::ceil_div<uint64_t>(params.m, kGemvRows), batch};
      return launch_groups(kernel("matmul", "gemv_rows", {type}), grid, {kSimdWidth}, out, a, b, self, params);
    }
    case Algorithm::gemv_columns:
      return launch_threads(kernel("matmul", "gemv_columns", {type}), {params.m, batch}, {64}, out, a, b, self, params);
    case Algorithm::multiply_long: {
      const std::string_view size = std::max(params.m, params.n) <= 4 ? "4" : "8";
      return launch_groups(kernel("matmul", "multiply_long", {type, size}), {batch}, {kLongThreads}, out, a, b, self,
                           params);
    }
    case Algorithm::multiply_thin: {
      const bool has_few_rows = batch > 1 && params.m < 4 * kSimdWidth;
      const Extent grid = has_few_rows ? Extent{params.m * batch} : Extent{params.m, batch};
      const uint32_t columns = params.n <= 4 ? params.n : kThin;
      const Kernel& thin =
          kernel("matmul", "multiply_thin", {type, std::to_string(columns), has_few_rows ? "true" : "false"});
      return launch_threads(thin, grid, {4 * kSimdWidth}, out, a, b, self, params, Divisor::of(params.m));
    }
    case Algorithm::gemm: {
      const GemmTile& tile = gemm_tile(out.scalar_type(), params.m, params.n, batch);
      const Extent grid{at::ceil_div<uint64_t>(params.n, tile.columns), at::ceil_div<uint64_t>(params.m, tile.rows),
                        batch};
      return launch_groups(kernel("matmul", "gemm", {type, tile.name}), grid, {tile.threads}, out, a, b, self, params);
    }
    case Algorithm::each: {
      const std::string_view scalar = out.is_complex() ? "float2" : "long";
      return launch_threads(kernel("matmul", "matmul_each", {type, scalar}), {params.n, params.m, batch}, {kSimdWidth}, out,
                            a, b, self, params);
    }
  }
}

template <class Scalar>
void matmul_with(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                 const at::Scalar& beta, const at::Scalar& alpha) {
  // A row vector by a matrix is the transposed matrix by a column vector. So are few rows.
  const bool has_few_rows = out.size(-2) == 1 || is_thin(a.size(-1), out.size(-2));
  const bool has_few_columns = out.size(-1) == 1 || is_thin(a.size(-1), out.size(-1));
  if (has_few_rows && !has_few_columns)
    return matmul_with<Scalar>(out.mT(), b.mT(), a.mT(), self.mT(), beta, alpha);
  const MatmulParams<Scalar> params{narrow(out.size(-2), "a matrix product's number of rows"),
                                    narrow(out.size(-1), "a matrix product's number of columns"),
                                    narrow(a.size(-1), "a matrix product's inner size"),
                                    layout_of(a),
                                    layout_of(b),
                                    layout_of(self),
                                    layout_of(out),
                                    scalar_of<Scalar>(alpha),
                                    scalar_of<Scalar>(beta)};
  launch_matmul(out, a, b, self, params, batch_of(out));
}

void check_dtypes(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self) {
  TORCH_CHECK(a.dtype() == b.dtype(), "expected m1 and m2 to have the same dtype, but got: ", a.dtype(), " != ",
              b.dtype());
  TORCH_CHECK(self.dtype() == a.dtype() && out.dtype() == a.dtype(), "self and mat2 must have the same dtype, but got ",
              self.dtype(), " and ", b.dtype());
}

}  // namespace

bool shares_memory(const at::Tensor& out, const at::Tensor& operand) {
  return out.is_alias_of(operand) && at::get_overlap_status(out, operand) != at::MemOverlapStatus::No;
}

void matmul_into(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                 const at::Scalar& beta, const at::Scalar& alpha) {
  if (!shares_memory(out, a) && !shares_memory(out, b)) return matmul_into_disjoint(out, a, b, self, beta, alpha);
  const at::Tensor product = at::empty_like(out);
  matmul_into_disjoint(product, a, b, self, beta, alpha);
  out.copy_(product);
}

void matmul_into_disjoint(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                          const at::Scalar& beta, const at::Scalar& alpha) {
  check_dtypes(out, a, b, self);
  if (out.numel() == 0) return;
  TORCH_CHECK(out.scalar_type() != at::kBool, "matrix multiplication is not implemented for 'Bool'");
  if (graph_matmul(out, a, b, self, beta, alpha)) return;
  const auto run = [&]<class Scalar>(Scalar) {
    matmul_with<Scalar>(out, a.resolve_conj(), b.resolve_conj(), self.resolve_conj(), beta, alpha);
  };
  if (out.is_complex()) return run(Float2());
  if (at::isIntegralType(out.scalar_type(), false)) return run(int64_t());
  run(float());
}

void matmul_into(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) { matmul_into(out, a, b, out, 0, 1); }

namespace {

struct Mm : at::meta::structured_mm {
  void impl(const at::Tensor& self, const at::Tensor& mat2, const at::Tensor& out) { matmul_into(out, self, mat2); }
};

struct Addmm : at::meta::structured_addmm {
  void impl(const at::Tensor& self, const at::Tensor& mat1, const at::Tensor& mat2, const at::Scalar& beta,
            const at::Scalar& alpha, const at::Tensor& out) {
    at::assert_no_partial_overlap(out, self);
    matmul_into(out, mat1, mat2, *at::expand_size(self, out.sizes(), "addmm_out"), beta, alpha);
  }
};

struct Bmm : at::meta::structured_bmm {
  void impl(const at::Tensor& self, const at::Tensor& mat2, const at::Tensor& out) { matmul_into(out, self, mat2); }
};

struct Baddbmm : at::meta::structured_baddbmm {
  void impl(const at::Tensor& self, const at::Tensor& batch1, const at::Tensor& batch2, const at::Scalar& beta,
            const at::Scalar& alpha, const at::Tensor& out) {
    at::assert_no_partial_overlap(out, self);
    matmul_into(out, batch1, batch2, *at::expand_size(self, out.sizes(), "baddbmm_out"), beta, alpha);
  }
};

/// out = beta * self + alpha * mat vec on floats by kernels; `out` shares no memory with mat and vec. Without views of
/// the vectors as matrices, which take longer than a small product.
void launch_addmv(const at::Tensor& out, const at::Tensor& mat, const at::Tensor& vec, const at::Tensor& self,
                  const at::Scalar& beta, const at::Scalar& alpha) {
  check_dtypes(out, mat, vec, self);
  const MatmulParams<float> params{narrow(mat.size(0), "a matrix product's number of rows"),
                                   1,
                                   narrow(mat.size(1), "a matrix product's inner size"),
                                   {mat.stride(0), mat.stride(1), 0},
                                   column_layout(vec),
                                   column_layout(self),
                                   column_layout(out),
                                   alpha.to<float>(),
                                   beta.to<float>()};
  launch_matmul(out, mat, vec, self, params, 1);
}

struct Addmv : at::meta::structured_addmv {
  void impl(const at::Tensor& self, const at::Tensor& mat, const at::Tensor& vec, const at::Scalar& beta,
            const at::Scalar& alpha, const at::Tensor& out) {
    at::assert_no_partial_overlap(out, self);
    if (out.numel() > 0 && is_for_kernels(mat) && !shares_memory(out, mat) && !shares_memory(out, vec))
      return launch_addmv(out, mat, vec, *at::expand_size(self, out.sizes(), "addmv_out"), beta, alpha);
    const at::Tensor column = out.unsqueeze(1);
    const auto as_column = [&] { return at::expand_size(self, out.sizes(), "addmv_out")->unsqueeze(1); };
    matmul_into(column, mat, vec.unsqueeze(1), self.is_same(out) ? column : as_column(), beta, alpha);
  }
};

/// Elements of a piece; with fewer than kManyRows pieces one threadgroup does as well.
constexpr int64_t kPiece = 1 << 12;

/// Long vectors in pieces, one threadgroup each; the sums of pieces are as precise as the result.
at::Tensor sum_of_pieces(const at::Tensor& self, const at::Tensor& other) {
  const int64_t pieces = self.numel() / kPiece, rest = self.numel() % kPiece;
  const at::Tensor sums = at::empty({pieces + (rest > 0)}, self.options());
  const auto matrix = [&](const at::Tensor& vector) {
    return vector.narrow(0, 0, pieces * kPiece).view({pieces, kPiece});
  };
  matmul_into(sums.narrow(0, 0, pieces).view({pieces, 1, 1}), matrix(self).unsqueeze(1), matrix(other).unsqueeze(2));
  if (rest > 0) {
    matmul_into(sums.narrow(0, pieces, 1).view({1, 1}), self.narrow(0, pieces * kPiece, rest).unsqueeze(0),
                other.narrow(0, pieces * kPiece, rest).unsqueeze(1));
  }
  return sums.sum();
}

/// The sum of products of two vectors of floats, without views of them as matrices.
void launch_dot(const at::Tensor& out, const at::Tensor& self, const at::Tensor& other) {
  const uint32_t inner = narrow(self.numel(), "a matrix product's inner size");
  const MatmulParams<float> params{1, 1, inner, row_layout(self), column_layout(other), {}, {}, 1.0f, 0.0f};
  launch_matmul(out, self, other, out, params, 1);
}

at::Tensor inner_product(const char* name, const at::Tensor& self, const at::Tensor& other) {
  TORCH_CHECK(self.dim() == 1 && other.dim() == 1, "1D tensors expected, but got ", self.dim(), "D and ", other.dim(),
              "D tensors");
  TORCH_CHECK(self.scalar_type() == other.scalar_type(), name,
              " : expected both vectors to have same dtype, but found ", self.scalar_type(), " and ",
              other.scalar_type());
  TORCH_CHECK(self.numel() == other.numel(), "inconsistent tensor size, expected tensor [", self.numel(), "] and src [",
              other.numel(), "] to have the same number of elements, but got ", self.numel(), " and ", other.numel(),
              " elements respectively");
  TORCH_CHECK(self.device() == other.device(),
              "Expected all tensors to be on the same device, but found at least two "
              "devices, ",
              self.device(), " and ", other.device(), "!");
  const bool is_single = self.scalar_type() == at::kFloat || self.scalar_type() == at::kComplexFloat;
  if (is_single && self.numel() >= static_cast<int64_t>(kManyRows) * kPiece) return sum_of_pieces(self, other);
  const at::Tensor out = at::empty({}, self.options());
  if (is_for_kernels(self)) {
    launch_dot(out, self, other);
  } else {
    matmul_into(out.view({1, 1}), self.unsqueeze(0), other.unsqueeze(1));
  }
  return out;
}

at::Tensor dot(const at::Tensor& self, const at::Tensor& other) { return inner_product("dot", self, other); }

at::Tensor vdot(const at::Tensor& self, const at::Tensor& other) { return inner_product("vdot", self.conj(), other); }

/// What PyTorch composes.
at::Tensor& addr_out(const at::Tensor& self, const at::Tensor& vec1, const at::Tensor& vec2, const at::Scalar& beta,
                     const at::Scalar& alpha, at::Tensor& out) {
  at::assert_no_partial_overlap(out, self);
  return at::native::math_addr_out(self, vec1, vec2, beta, alpha, out);
}

/// The same without its licence to give the matrix another size.
at::Tensor& addr_(at::Tensor& self, const at::Tensor& vec1, const at::Tensor& vec2, const at::Scalar& beta,
                  const at::Scalar& alpha) {
  TORCH_CHECK(self.dim() == 2, "2D tensor expected, got ", self.dim(), "D tensor for input");
  TORCH_CHECK(vec1.dim() != 1 || vec2.dim() != 1 || (self.size(0) == vec1.size(0) && self.size(1) == vec2.size(0)),
              "size mismatch, input: ", self.sizes(), ", v1: ", vec1.sizes(), ", v2: ", vec2.sizes());
  return addr_out(self, vec1, vec2, beta, alpha, self);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "mm.out", Mm);
  METAL_STRUCTURED_CLASS(m, "addmm.out", Addmm);
  METAL_STRUCTURED_CLASS(m, "bmm.out", Bmm);
  METAL_STRUCTURED_CLASS(m, "baddbmm.out", Baddbmm);
  METAL_STRUCTURED_CLASS(m, "addmv.out", Addmv);
  METAL_IMPL(m, "dot", dot);
  METAL_IMPL(m, "vdot", vdot);
  METAL_IMPL(m, "addr.out", addr_out);
  METAL_IMPL(m, "addr_", addr_);
  METAL_IMPL(m, "addbmm", at::native::addbmm);
  METAL_IMPL(m, "addbmm_", at::native::addbmm_);
  METAL_IMPL(m, "addbmm.out", at::native::addbmm_out);
}

}  // namespace
}  // namespace torch_metal
