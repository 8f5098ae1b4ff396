// LSTM and GRU cells. PyTorch builds nn.LSTM and nn.GRU of them and of matrix products.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

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
  return {static_cast<uint32_t>(state.size(1)), has_bias, false, false};
}

std::tuple<Tensor, Tensor, Tensor> lstm_cell(const Tensor& input_gates, const Tensor& hidden_gates, const Tensor& cx,
                                             const std::optional<Tensor>& input_bias,
                                             const std::optional<Tensor>& hidden_bias) {
  check_gates(input_gates, hidden_gates, cx, 4);
  const Biases biases(input_bias, hidden_bias, cx);
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
  const Tensor hy = at::empty(hx.sizes(), hx.options());
  const Tensor workspace = at::empty({hx.size(0), hx.size(1) * 5}, hx.options());
  launch_cell("gru_cell", hx, hy, workspace, input_gates.contiguous(), hidden_gates.contiguous(), biases.input,
              biases.hidden, hx.contiguous(), cell_params(hx, biases.given));
  return {hy, workspace};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> gru_cell_backward(const Tensor& grad_hy, const Tensor& workspace,
                                                                     bool has_bias) {
  const int64_t hidden = workspace.size(1) / 5;
  const Tensor grad_input_gates = at::empty({workspace.size(0), hidden * 3}, workspace.options());
  const Tensor grad_hidden_gates = at::empty_like(grad_input_gates);
  const Tensor grad_hx = at::empty(grad_hy.sizes(), grad_hy.options());
  launch_cell("gru_cell_backward", grad_hy, grad_input_gates, grad_hidden_gates, grad_hx, grad_hy.contiguous(),
              workspace.contiguous(), cell_params(grad_hy, has_bias));
  if (!has_bias) return {grad_input_gates, grad_hidden_gates, grad_hx, Tensor(), Tensor()};
  return {grad_input_gates, grad_hidden_gates, grad_hx, grad_input_gates.sum(0), grad_hidden_gates.sum(0)};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_thnn_fused_lstm_cell", lstm_cell);
  METAL_IMPL(m, "_thnn_fused_lstm_cell_backward_impl", lstm_cell_backward);
  METAL_IMPL(m, "_thnn_fused_gru_cell", gru_cell);
  METAL_IMPL(m, "_thnn_fused_gru_cell_backward", gru_cell_backward);
}

}  // namespace
}  // namespace torch_metal
