#include "ops/matmul_graph.h"

#include "ops/library_choice.h"
#include "ops/matmul.h"
#include "runtime/graph.h"

namespace torch_metal {
namespace {

/// MPSGraph gives wrong values for longer inner dimensions on M1 and M2, and for more matrices.
constexpr int64_t kMaxInner = 32766, kMaxBatch = 65536;

/// The tensor with one element where it repeats one along its first `dims` dimensions: graphs repeat by themselves.
at::Tensor without_repeats(at::Tensor tensor, int64_t dims) {
  for (int64_t d = 0; d < dims; ++d)
    if (tensor.stride(d) == 0 && tensor.size(d) > 1) tensor = tensor.narrow(d, 0, 1);
  return tensor;
}

/// A matrix, or matrices of which all may be one.
at::Tensor factor(const at::Tensor& matrices) { return without_repeats(matrices, matrices.dim() - 2); }

bool is_number(const c10::Scalar& scalar, double number) { return scalar.toDouble() == number; }

/// Products of vectors with rows that lie in one piece: a kernel streams them as fast as memory gives them.
bool is_rows_by_vector(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  return (out.size(-1) == 1 && a.stride(-1) == 1) || (out.size(-2) == 1 && b.stride(-2) == 1);
}

bool suits(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  const int64_t inner = a.size(-1), batch = out.dim() == 3 ? out.size(0) : 1;
  if (preferred_library(Family::matmul) == Library::automatic && is_rows_by_vector(out, a, b)) return false;
  return inner <= kMaxInner && batch <= kMaxBatch &&
         prefers_mps_graph(Family::matmul, out, static_cast<double>(out.numel()) * static_cast<double>(inner));
}

}  // namespace

bool is_for_kernels(const at::Tensor& mat) {
  if (!mat.is_floating_point()) return false;
  switch (preferred_library(Family::matmul)) {
    case Library::msl: return true;
    case Library::mps_graph: return false;
    case Library::automatic: return mat.stride(-1) == 1;
  }
  return false;
}

bool graph_matmul(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& self,
                  const c10::Scalar& beta, const c10::Scalar& alpha) {
  if (!out.is_floating_point() || !suits(out, a, b) || !is_number(alpha, 1)) return false;
  const bool adds = is_number(beta, 1);
  if (!adds && !is_number(beta, 0)) return false;
  const at::Tensor left = factor(a), right = factor(b);
  if (!fits_graph(out) || !fits_graph(left) || !fits_graph(right)) return false;
  if (!adds) {
    run_graph("matmul", {}, {left, right}, out, [](MPSGraph::Graph* graph, const GraphValues& in) {
      return graph->matrixMultiplication(in[0], in[1], nullptr);
    });
    return true;
  }
  const at::Tensor added = without_repeats(self, self.dim());
  if (!fits_graph(added) || shares_memory(out, added)) return false;
  run_graph("addmm", {}, {left, right, added}, out, [](MPSGraph::Graph* graph, const GraphValues& in) {
    return graph->addition(graph->matrixMultiplication(in[0], in[1], nullptr), in[2], nullptr);
  });
  return true;
}

}  // namespace torch_metal
