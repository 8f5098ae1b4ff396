// Products with COO matrices. They become compressed rows; a product of two is the sum of its entries' products.
#include <ATen/ExpandUtils.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/repeat_interleave.h>

#include "ops/registration.h"
#include "ops/sparse/compressed.h"
#include "ops/sparse/coo.h"

namespace torch_metal {
namespace {

using at::Scalar;
using at::Tensor;

void check_implemented(const char* op, const Tensor& sparse) {
  TORCH_CHECK_NOT_IMPLEMENTED(sparse.scalar_type() != at::kBool || sparse._nnz() == 0, "\"", op,
                              "\" not implemented for 'Bool'");
}

void check_dtypes(const char* op, const Tensor& sparse, const Tensor& dense) {
  TORCH_CHECK(sparse.scalar_type() == dense.scalar_type(), op, ": expected both matrices to have one dtype, but got ",
              sparse.scalar_type(), " and ", dense.scalar_type());
}

void check_matrices(const char* op, const Tensor& sparse, const Tensor& dense) {
  TORCH_CHECK(sparse.is_sparse() && !dense.is_sparse(), op,
              ": expected a sparse and then a dense matrix, but their layouts are ", sparse.layout(), " and ",
              dense.layout());
  TORCH_CHECK(sparse.sparse_dim() == 2, op, ": matrices expected, got ", sparse.sparse_dim(), "D tensor");
  TORCH_CHECK(sparse.dense_dim() == 0, op, ": scalar values expected, got ", sparse.dense_dim(), "D values");
  TORCH_CHECK(dense.dim() == 2, op, ": matrices expected, got ", dense.dim(), "D tensor");
  TORCH_CHECK(dense.size(0) == sparse.size(1), op, ": expected a dense matrix of ", sparse.size(1),
              " rows, but it has ", dense.size(0));
  TORCH_CHECK(sparse.device() == dense.device(), "Expected all tensors to be on the same device, but ", op, " got ",
              sparse.device(), " and ", dense.device());
  check_dtypes(op, sparse, dense);
}

/// A coalesced matrix with `rows` rows of entries.
CompressedRows compressed(const Tensor& rows_of_entries, int64_t rows, const Tensor& columns, const Tensor& values) {
  return {compress_rows(rows_of_entries, rows).unsqueeze(0), columns.unsqueeze(0), values.unsqueeze(0)};
}

void multiply_into(const Tensor& out, const CompressedRows& a, const Tensor& dense, const Tensor& self,
                   const Scalar& beta, const Scalar& alpha) {
  multiply_rows_into(out.unsqueeze(0), a, dense.unsqueeze(0), self.unsqueeze(0), beta, alpha);
}

Tensor& addmm_out(const Tensor& self, const Tensor& sparse, const Tensor& dense, const Scalar& beta,
                  const Scalar& alpha, Tensor& result) {
  check_matrices("addmm", sparse, dense);
  TORCH_CHECK(!self.is_sparse() && !result.is_sparse(), "addmm: expected a dense matrix to add to and a dense result");
  TORCH_CHECK(self.scalar_type() == dense.scalar_type() && result.scalar_type() == dense.scalar_type(),
              "addmm: expected all matrices to have one dtype, but got ", self.scalar_type(), " beside ",
              dense.scalar_type());
  check_implemented("addmm_sparse_dense", sparse);
  const int64_t rows = sparse.size(0), columns = dense.size(1);
  const Tensor addend = *at::expand_size(self, {rows, columns}, "addmm_out");
  at::native::resize_output(result, {rows, columns});
  const Tensor a = sparse.coalesce();
  const Tensor factor = result.is_alias_of(dense) ? dense.clone() : dense;
  const Tensor source = result.is_alias_of(self) && !result.is_same(self) ? addend.clone() : addend;
  multiply_into(result, compressed(a._indices()[0], rows, a._indices()[1], a._values()), factor, source, beta, alpha);
  return result;
}

Tensor addmm(const Tensor& self, const Tensor& sparse, const Tensor& dense, const Scalar& beta, const Scalar& alpha) {
  Tensor result = at::empty({0}, dense.options());
  return addmm_out(self, sparse, dense, beta, alpha, result);
}

Tensor& addmm_(Tensor& self, const Tensor& sparse, const Tensor& dense, const Scalar& beta, const Scalar& alpha) {
  TORCH_CHECK(self.dim() == 2 && sparse.dim() == 2 && self.size(0) == sparse.size(0) && self.size(1) == dense.size(-1),
              "addmm_: the product of ", sparse.sizes(), " and ", dense.sizes(), " does not fit ", self.sizes());
  return addmm_out(self, sparse, dense, beta, alpha, self);
}

Tensor& bmm_out(const Tensor& sparse, const Tensor& dense, Tensor& result) {
  TORCH_CHECK(sparse.is_sparse() && !dense.is_sparse(), "bmm_sparse: Tensor 'mat2' must be dense");
  TORCH_CHECK(sparse.dense_dim() == 0, "bmm_sparse: Tensor 'self' must have 0 dense dims, but has ",
              sparse.dense_dim());
  TORCH_CHECK(sparse.sparse_dim() == 3, "bmm_sparse: Tensor 'self' must have 3 sparse dims, but has ",
              sparse.sparse_dim());
  TORCH_CHECK(dense.dim() == 3, "bmm_sparse: Tensor 'mat2' must have 3 dims, but has ", dense.dim());
  TORCH_CHECK(sparse.size(0) == dense.size(0), "bmm_sparse: 'self.size(0)' and 'mat2.size(0)' must match");
  TORCH_CHECK(sparse.size(2) == dense.size(1), "bmm_sparse: 'self.size(2)' and 'mat2.size(1)' must match");
  const int64_t batch = sparse.size(0), rows = sparse.size(1);
  at::native::resize_output(result, {batch, rows, dense.size(2)});
  if (sparse._nnz() == 0) return result.zero_();
  check_dtypes("bmm_sparse", sparse, dense);
  check_implemented("bmm_sparse_dense", sparse);
  const Tensor a = sparse.coalesce();
  // All batches' rows are one sequence; each batch sees its own part of it.
  const Tensor row_of_entry = flat_indices(a._indices().slice(0, 0, 2), {batch, rows});
  const CompressedRows matrices{
      compress_rows(row_of_entry, batch * rows).as_strided({batch, rows + 1}, {rows, 1}),
      a._indices()[2].expand({batch, a._nnz()}), a._values().expand({batch, a._nnz()})};
  multiply_rows_into(result, matrices, result.is_alias_of(dense) ? dense.clone() : dense, result, 0, 1);
  return result;
}

Tensor bmm(const Tensor& sparse, const Tensor& dense) {
  Tensor result = at::empty({0}, dense.options());
  return bmm_out(sparse, dense, result);
}

/// The rows of a product that are not all zero: their numbers, and what is in them.
struct ProductRows {
  Tensor rows;    ///< [n]
  Tensor values;  ///< [n, columns]
};

/// The sparse matrix has entries.
ProductRows multiply_occupied_rows(const Tensor& sparse, const Tensor& dense) {
  const Tensor a = sparse.coalesce();
  const Tensor row_of_entry = a._indices()[0];
  const Runs runs = Runs::of(row_of_entry);
  const Tensor values = at::empty({runs.count(), dense.size(1)}, dense.options());
  multiply_into(values,
                {runs.bounds().unsqueeze(0), a._indices()[1].unsqueeze(0), a._values().unsqueeze(0)}, dense, values, 0,
                1);
  return {row_of_entry.index_select(0, runs.starts()), values};
}

Tensor& hspmm_out(const Tensor& sparse, const Tensor& dense, Tensor& result) {
  check_matrices("hspmm", sparse, dense);
  check_implemented("addmm_sparse_dense", sparse);
  const int64_t sizes[] = {sparse.size(0), dense.size(1)};
  if (sparse._nnz() == 0) {
    assign_coo(result, at::empty({1, 0}, sparse._indices().options()), at::empty({0, sizes[1]}, dense.options()), sizes,
               true);
    return result;
  }
  const ProductRows product = multiply_occupied_rows(sparse, dense);
  assign_coo(result, product.rows.unsqueeze(0), product.values, sizes, false);
  return result;
}

Tensor hspmm(const Tensor& sparse, const Tensor& dense) {
  Tensor result = at::empty({0}, sparse.options());
  return hspmm_out(sparse, dense, result);
}

Tensor& sspaddmm_out(const Tensor& self, const Tensor& sparse, const Tensor& dense, const Scalar& beta,
                     const Scalar& alpha, Tensor& result) {
  TORCH_CHECK(self.is_sparse() && result.is_sparse(),
              "sspaddmm: expected a sparse matrix to add to and a sparse result");
  check_matrices("sspaddmm", sparse, dense);
  check_implemented("sspmm", sparse);
  const int64_t rows = sparse.size(0), columns = dense.size(1);
  TORCH_CHECK(result.is_same(self) || (self.size(0) == rows && self.size(1) == columns),
              "sspaddmm: expected a matrix of ", rows, " by ", columns, " to add to, but got ", self.sizes());
  Tensor indices = self._indices(), values = self._values();
  if (self._nnz() == 0) {  // smm() gives an empty vector to add to
    indices = at::empty({2, 0}, indices.options());
    values = at::empty({0}, dense.options());
  } else {
    values = values.mul(beta).to(dense.scalar_type());
  }
  if (sparse._nnz() > 0) {
    const ProductRows product = multiply_occupied_rows(sparse, dense);
    const Tensor column = at::arange(columns, indices.options());
    const Tensor places = at::stack({product.rows.unsqueeze(1).expand({-1, columns}).reshape(-1),
                                     column.expand({product.rows.numel(), columns}).reshape(-1)});
    indices = at::cat({indices, places}, 1);
    values = at::cat({values, product.values.mul(alpha).reshape(-1)});
  }
  assign_coo(result, indices, values, {rows, columns}, false);
  return result;
}

/// Every entry (i, k) of `a` meets the entries of row k of `b`; the products of one place are summed.
Tensor sparse_sparse_matmul(const Tensor& left, const Tensor& right) {
  TORCH_CHECK(left.is_sparse() && right.is_sparse(), "torch.sparse.mm: expected sparse matrices");
  TORCH_CHECK(left.dim() == 2 && right.dim() == 2 && left.dense_dim() == 0 && right.dense_dim() == 0,
              "torch.sparse.mm: expected matrices of scalar values, but got ", left.sizes(), " and ", right.sizes());
  TORCH_CHECK(left.size(1) == right.size(0), "mat1 and mat2 shapes cannot be multiplied (", left.size(0), "x",
              left.size(1), " and ", right.size(0), "x", right.size(1), ")");
  TORCH_CHECK(left.scalar_type() == right.scalar_type(), "mat1 dtype ", left.scalar_type(),
              " does not match mat2 dtype ", right.scalar_type());
  TORCH_CHECK_NOT_IMPLEMENTED(!at::isIntegralType(left.scalar_type(), true), "\"sparse_matmul\" not implemented for '",
                              left.scalar_type(), "'");
  const Tensor a = left.coalesce(), b = right.coalesce();
  const int64_t sizes[] = {a.size(0), b.size(1)};
  const Tensor first = compress_rows(b._indices()[0], b.size(0));
  const Tensor inner = a._indices()[1];
  const Tensor begin = first.index_select(0, inner), count = first.index_select(0, inner + 1) - begin;
  const Tensor of_a = at::repeat_interleave(count);
  // Products of one entry of a are neighbours: counting from the first of them gives b's.
  const Tensor before = count.cumsum(0).sub_(count);
  const Tensor of_b = at::arange(of_a.numel(), of_a.options()) - (before - begin).index_select(0, of_a);
  const Tensor indices = at::stack({a._indices()[0].index_select(0, of_a), b._indices()[1].index_select(0, of_b)});
  const Tensor values = a._values().index_select(0, of_a).mul(b._values().index_select(0, of_b));
  return make_coo(indices, values, sizes, false).coalesce();
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, SparsePrivateUse1, m) {
  METAL_IMPL(m, "addmm", addmm);
  METAL_IMPL(m, "addmm.out", addmm_out);
  METAL_IMPL(m, "addmm_", addmm_);
  METAL_IMPL(m, "bmm", bmm);
  METAL_IMPL(m, "bmm.out", bmm_out);
  METAL_IMPL(m, "hspmm", hspmm);
  METAL_IMPL(m, "hspmm.out", hspmm_out);
  METAL_IMPL(m, "sspaddmm.out", sspaddmm_out);
  METAL_IMPL(m, "_sparse_sparse_matmul", sparse_sparse_matmul);
}

}  // namespace torch_metal
