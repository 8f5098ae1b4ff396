// The element-wise part of LSTM and GRU cells, after the two matrix products. One thread a hidden unit of a sample.
#include <metal_stdlib>

#include "rnn_params.h"

using namespace metal;
using namespace torch_metal;

static float sigmoid(float x) { return 1.0f / (1.0f + precise::exp(-x)); }

/// Sum of a gate's two products and, if there are any, biases.
template <class T>
struct Gates {
  device const T* input;
  device const T* hidden;
  device const T* input_bias;
  device const T* hidden_bias;
  bool has_bias;

  float from_input(uint row, uint column) const {
    return float(input[row + column]) + (has_bias ? float(input_bias[column]) : 0.0f);
  }
  float from_hidden(uint row, uint column) const {
    return float(hidden[row + column]) + (has_bias ? float(hidden_bias[column]) : 0.0f);
  }
  float sum(uint row, uint column) const { return from_input(row, column) + from_hidden(row, column); }
};

/// The workspace keeps the activated gates, in PyTorch's order: input, forget, cell, output.
template <class T>
[[kernel]] void lstm_cell(device T* hidden [[buffer(0)]], device T* cell [[buffer(1)]],
                          device T* workspace [[buffer(2)]],
                          device const T* input_gates [[buffer(3)]], device const T* hidden_gates [[buffer(4)]],
                          device const T* input_bias [[buffer(5)]], device const T* hidden_bias [[buffer(6)]],
                          device const T* last_cell [[buffer(7)]], constant CellParams& params [[buffer(8)]],
                          uint2 id [[thread_position_in_grid]]) {
  const uint size = params.hidden, unit = id.x, state = id.y * size + unit, row = id.y * 4 * size;
  const Gates<T> gates{input_gates, hidden_gates, input_bias, hidden_bias, params.has_bias != 0};
  const float i = sigmoid(gates.sum(row, unit));
  const float f = sigmoid(gates.sum(row, size + unit));
  const float g = precise::tanh(gates.sum(row, 2 * size + unit));
  const float o = sigmoid(gates.sum(row, 3 * size + unit));
  const float c = f * float(last_cell[state]) + i * g;
  cell[state] = T(c);
  hidden[state] = T(o * precise::tanh(c));
  workspace[row + unit] = T(i);
  workspace[row + size + unit] = T(f);
  workspace[row + 2 * size + unit] = T(g);
  workspace[row + 3 * size + unit] = T(o);
}

template <class T>
[[kernel]] void lstm_cell_backward(device T* grad_gates [[buffer(0)]], device T* grad_last_cell [[buffer(1)]],
                                   device const T* grad_hidden [[buffer(2)]], device const T* grad_cell [[buffer(3)]],
                                   device const T* last_cell [[buffer(4)]], device const T* cell [[buffer(5)]],
                                   device const T* workspace [[buffer(6)]], constant CellParams& params [[buffer(7)]],
                                   uint2 id [[thread_position_in_grid]]) {
  const uint size = params.hidden, unit = id.x, state = id.y * size + unit, row = id.y * 4 * size;
  const float i = float(workspace[row + unit]), f = float(workspace[row + size + unit]);
  const float g = float(workspace[row + 2 * size + unit]), o = float(workspace[row + 3 * size + unit]);
  const float t = precise::tanh(float(cell[state]));
  const float grad_h = params.has_grad_hidden ? float(grad_hidden[state]) : 0.0f;
  const float grad_c = grad_h * o * (1 - t * t) + (params.has_grad_cell ? float(grad_cell[state]) : 0.0f);
  grad_gates[row + unit] = T(grad_c * g * i * (1 - i));
  grad_gates[row + size + unit] = T(grad_c * float(last_cell[state]) * f * (1 - f));
  grad_gates[row + 2 * size + unit] = T(grad_c * i * (1 - g * g));
  grad_gates[row + 3 * size + unit] = T(grad_h * t * o * (1 - o));
  grad_last_cell[state] = T(grad_c * f);
}

/// The workspace keeps reset, update and new gates, the last state, and what the hidden side gave to the new gate.
template <class T>
[[kernel]] void gru_cell(device T* hidden [[buffer(0)]], device T* workspace [[buffer(1)]],
                         device const T* input_gates [[buffer(2)]], device const T* hidden_gates [[buffer(3)]],
                         device const T* input_bias [[buffer(4)]], device const T* hidden_bias [[buffer(5)]],
                         device const T* last_hidden [[buffer(6)]], constant CellParams& params [[buffer(7)]],
                         uint2 id [[thread_position_in_grid]]) {
  const uint size = params.hidden, unit = id.x, state = id.y * size + unit, row = id.y * 3 * size;
  const Gates<T> gates{input_gates, hidden_gates, input_bias, hidden_bias, params.has_bias != 0};
  const float r = sigmoid(gates.sum(row, unit));
  const float z = sigmoid(gates.sum(row, size + unit));
  const float from_hidden = gates.from_hidden(row, 2 * size + unit);
  const float n = precise::tanh(gates.from_input(row, 2 * size + unit) + r * from_hidden);
  const float last = float(last_hidden[state]);
  hidden[state] = T(n + z * (last - n));
  device T* kept = workspace + id.y * 5 * size + unit;
  kept[0] = T(r);
  kept[size] = T(z);
  kept[2 * size] = T(n);
  kept[3 * size] = T(last);
  kept[4 * size] = T(from_hidden);
}

template <class T>
[[kernel]] void gru_cell_backward(device T* grad_input_gates [[buffer(0)]], device T* grad_hidden_gates [[buffer(1)]],
                                  device T* grad_last_hidden [[buffer(2)]], device const T* grad_hidden [[buffer(3)]],
                                  device const T* workspace [[buffer(4)]], constant CellParams& params [[buffer(5)]],
                                  uint2 id [[thread_position_in_grid]]) {
  const uint size = params.hidden, unit = id.x, state = id.y * size + unit, row = id.y * 3 * size;
  device const T* kept = workspace + id.y * 5 * size + unit;
  const float r = float(kept[0]), z = float(kept[size]), n = float(kept[2 * size]);
  const float last = float(kept[3 * size]), from_hidden = float(kept[4 * size]);
  const float grad = float(grad_hidden[state]);
  const float grad_n = grad * (1 - z) * (1 - n * n);
  const T grad_r = T(grad_n * from_hidden * r * (1 - r));
  const T grad_z = T(grad * (last - n) * z * (1 - z));
  grad_input_gates[row + unit] = grad_hidden_gates[row + unit] = grad_r;
  grad_input_gates[row + size + unit] = grad_hidden_gates[row + size + unit] = grad_z;
  grad_input_gates[row + 2 * size + unit] = T(grad_n);
  grad_hidden_gates[row + 2 * size + unit] = T(grad_n * r);
  grad_last_hidden[state] = T(grad * z);
}
