// LSTM and GRU cells. PyTorch builds nn.LSTM and nn.GRU of them and of matrix products.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include "ops/narrow.h"
#include "ops/registration.h"
#include "rnn_params.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// The biases of a cell, or a stand-in for a kernel to ignore.
struct Biases {
  bool given;
  Tensor input, hidden;

  Biases(const std::optional<Tensor>& input_bias, const std::optional<Tensor>& hidden_bias, const Tensor& stand_in)
      : given(input_bias && input_bias->defined()),
        input(given ? input_bias->contiguous() : stand_in),
        hidden(given ? hidden_bias->contiguous() : stand_in) {}
};

void check_gates(const Tensor& input_gates, const Tensor& hidden_gates, const Tensor& state, int64_t gates) {
  TORCH_CHECK(input_gates.dim() == 2 && state.dim() == 2 && input_gates.sizes() == hidden_gates.sizes() &&
                  input_gates.size(0) == state.size(0) && input_gates.size(1) == gates * state.size(1),
              "recurrent cell: gates of sizes ", input_gates.sizes(), " and ", hidden_gates.sizes(),
              " do not fit a state of size ", state.sizes());
}

template <class... Arguments>
void launch_cell(std::string_view function, const Tensor& state, const Arguments&... arguments) {
  launch_threads(kernel("rnn", function, {metal_type(state.scalar_type())}),
                 {static_cast<uint64_t>(state.size(1)), static_cast<uint64_t>(state.size(0))}, {64}, arguments...);
}

CellParams cell_params(const Tensor& state, bool has_bias) {
  narrow(5 * state.numel(), "a recurrent cell's number of gates");  // whose places kernels count too
  return {narrow(state.size(1), "a recurrent cell's size"), has_bias, false, false};
}

/// The cells in float64, of which the CPU has no fused kernels either: the same by operators, which run on the host.
namespace float64 {

std::tuple<Tensor, Tensor, Tensor> lstm_cell(const Tensor& input_gates, const Tensor& hidden_gates, const Tensor& cx,
                                             const Biases& biases) {
  const Tensor gates = input_gates + hidden_gates;
  const auto parts = (biases.given ? gates + biases.input + biases.hidden : gates).chunk(4, 1);
  const Tensor i = parts[0].sigmoid(), f = parts[1].sigmoid(), g = parts[2].tanh(), o = parts[3].sigmoid();
  const Tensor cy = f * cx + i * g;
  return {o * cy.tanh(), cy, at::cat({i, f, g, o}, 1)};
}

std::tuple<Tensor, Tensor> lstm_cell_backward(const Tensor& grad_hy, const Tensor& grad_cy, const Tensor& cx,
                                              const Tensor& cy, const Tensor& workspace) {
  const auto kept = workspace.chunk(4, 1);
  const Tensor &i = kept[0], &f = kept[1], &g = kept[2], &o = kept[3], t = cy.tanh();
  const Tensor grad = grad_hy * o * (1 - t * t) + grad_cy;
  const Tensor grad_gates = at::cat(
      {grad * g * i * (1 - i), grad * cx * f * (1 - f), grad * i * (1 - g * g), grad_hy * t * o * (1 - o)}, 1);
  return {grad_gates, grad * f};
}

std::tuple<Tensor, Tensor> gru_cell(const Tensor& input_gates, const Tensor& hidden_gates, const Tensor& hx,
                                    const Biases& biases) {
  const auto input = (biases.given ? input_gates + biases.input : input_gates).chunk(3, 1);
  const auto hidden = (biases.given ? hidden_gates + biases.hidden : hidden_gates).chunk(3, 1);
  const Tensor r = (input[0] + hidden[0]).sigmoid(), z = (input[1] + hidden[1]).sigmoid();
  const Tensor n = (input[2] + r * hidden[2]).tanh();
  return {n + z * (hx - n), at::cat({r, z, n, hx, hidden[2]}, 1)};
}

std::tuple<Tensor, Tensor, Tensor> gru_cell_backward(const Tensor& grad, const Tensor& workspace) {
  const auto kept = workspace.chunk(5, 1);
  const Tensor &r = kept[0], &z = kept[1], &n = kept[2], &last = kept[3], &from_hidden = kept[4];
  const Tensor grad_n = grad * (1 - z) * (1 - n * n);
  const Tensor grad_r = grad_n * from_hidden * r * (1 - r), grad_z = grad * (last - n) * z * (1 - z);
  return {at::cat({grad_r, grad_z, grad_n}, 1), at::cat({grad_r, grad_z, grad_n * r}, 1), grad * z};
}

}  // namespace float64

std::tuple<Tensor, Tensor, Tensor> lstm_cell(const Tensor& input_gates, const Tensor& hidden_gates, const Tensor& cx,
                                             const std::optional<Tensor>& input_bias,
                                             const std::optional<Tensor>& hidden_bias) {
  check_gates(input_gates, hidden_gates, cx, 4);
  const Biases biases(input_bias, hidden_bias, cx);
  if (needs_host(cx)) return float64::lstm_cell(input_gates, hidden_gates, cx, biases);
  const Tensor hy = at::empty(cx.sizes(), cx.options()), cy = at::empty(cx.sizes(), cx.options());
  const Tensor workspace = at::empty(input_gates.sizes(), input_gates.options());
  launch_cell("lstm_cell", cx, hy, cy, workspace, input_gates.contiguous(), hidden_gates.contiguous(), biases.input,
              biases.hidden, cx.contiguous(), cell_params(cx, biases.given));
  return {hy, cy, workspace};
}

std::tuple<Tensor, Tensor, Tensor> lstm_cell_backward(const std::optional<Tensor>& grad_hy,
                                                      const std::optional<Tensor>& grad_cy, const Tensor& cx,
                                                      const Tensor& cy, const Tensor& workspace, bool has_bias) {
  CellParams params = cell_params(cx, has_bias);
  params.has_grad_hidden = grad_hy && grad_hy->defined();
  params.has_grad_cell = grad_cy && grad_cy->defined();
  if (!params.has_grad_hidden && !params.has_grad_cell) return {};
  if (needs_host(cx)) {
    const auto [gates, cell] = float64::lstm_cell_backward(params.has_grad_hidden ? *grad_hy : at::zeros_like(cx),
                                                           params.has_grad_cell ? *grad_cy : at::zeros_like(cx), cx,
                                                           cy, workspace);
    return {gates, cell, has_bias ? gates.sum(0) : Tensor()};
  }
  const Tensor grad_gates = at::empty(workspace.sizes(), workspace.options());
  const Tensor grad_cx = at::empty(cx.sizes(), cx.options());
  launch_cell("lstm_cell_backward", cx, grad_gates, grad_cx, params.has_grad_hidden ? grad_hy->contiguous() : cx,
              params.has_grad_cell ? grad_cy->contiguous() : cx, cx.contiguous(), cy.contiguous(),
              workspace.contiguous(), params);
  return {grad_gates, grad_cx, has_bias ? grad_gates.sum(0) : Tensor()};
}

std::tuple<Tensor, Tensor> gru_cell(const Tensor& input_gates, const Tensor& hidden_gates, const Tensor& hx,
                                    const std::optional<Tensor>& input_bias, const std::optional<Tensor>& hidden_bias) {
  check_gates(input_gates, hidden_gates, hx, 3);
  const Biases biases(input_bias, hidden_bias, hx);
  if (needs_host(hx)) return float64::gru_cell(input_gates, hidden_gates, hx, biases);
  const Tensor hy = at::empty(hx.sizes(), hx.options());
  const Tensor workspace = at::empty({hx.size(0), hx.size(1) * 5}, hx.options());
  launch_cell("gru_cell", hx, hy, workspace, input_gates.contiguous(), hidden_gates.contiguous(), biases.input,
              biases.hidden, hx.contiguous(), cell_params(hx, biases.given));
  return {hy, workspace};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> gru_cell_backward(const Tensor& grad_hy, const Tensor& workspace,
                                                                     bool has_bias) {
  Tensor grad_input_gates, grad_hidden_gates, grad_hx;
  if (needs_host(grad_hy)) {
    std::tie(grad_input_gates, grad_hidden_gates, grad_hx) = float64::gru_cell_backward(grad_hy, workspace);
  } else {
    grad_input_gates = at::empty({workspace.size(0), workspace.size(1) / 5 * 3}, workspace.options());
    grad_hidden_gates = at::empty_like(grad_input_gates);
    grad_hx = at::empty(grad_hy.sizes(), grad_hy.options());
    launch_cell("gru_cell_backward", grad_hy, grad_input_gates, grad_hidden_gates, grad_hx, grad_hy.contiguous(),
                workspace.contiguous(), cell_params(grad_hy, has_bias));
  }
  if (!has_bias) return {grad_input_gates, grad_hidden_gates, grad_hx, Tensor(), Tensor()};
  return {grad_input_gates, grad_hidden_gates, grad_hx, grad_input_gates.sum(0), grad_hidden_gates.sum(0)};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL_EVERY_DTYPE(m, "_thnn_fused_lstm_cell", lstm_cell);
  METAL_IMPL_EVERY_DTYPE(m, "_thnn_fused_lstm_cell_backward_impl", lstm_cell_backward);
  METAL_IMPL_EVERY_DTYPE(m, "_thnn_fused_gru_cell", gru_cell);
  METAL_IMPL_EVERY_DTYPE(m, "_thnn_fused_gru_cell_backward", gru_cell_backward);
}

}  // namespace
}  // namespace torch_metal
