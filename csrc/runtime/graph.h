// Runs MPSGraph computations on the current stream. Graphs are compiled for sizes and kept, up to a bound.
//
//   run_graph("matmul", {}, {a, b}, out, [](MPSGraph::Graph* graph, const GraphValues& in) {
//     return graph->matrixMultiplication(in[0], in[1], nullptr);
//   });
//
// Graphs see tensors of any dense memory order (transposed, channels_last) as they are: each is fed in the order in
// which it lies in memory, and transposed in the graph.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

#include <string_view>
#include <vector>

#include "metal/mps_graph.h"

namespace torch_metal {

using GraphValues = std::vector<MPSGraph::Tensor*>;

/// Whether a graph can read and write the tensor: float32, float16 or bfloat16, not empty, at most 4 GB, its elements
/// one after the other in some order of its dimensions.
bool fits_graph(const at::Tensor& tensor);

/// Computes `out`, of which no input may share memory, by the graph that `build(graph, inputs)` makes of values with the
/// inputs' sizes; it returns one with out's. `build` runs when the graph is not kept: it must depend on `name`,
/// `attributes` and the tensors' sizes and dtypes alone. Counts as Route::mps_graph.
void run_graph(std::string_view name, at::IntArrayRef attributes, at::TensorList inputs, const at::Tensor& out,
               c10::function_ref<MPSGraph::Tensor*(MPSGraph::Graph*, const GraphValues&)> build);

/// Graphs that are kept now; at most kMaxKeptGraphs.
size_t kept_graphs();
inline constexpr size_t kMaxKeptGraphs = 512;

/// The sizes as MPSGraph takes them, autoreleased.
NS::Array* graph_shape(at::IntArrayRef sizes);

}  // namespace torch_metal
