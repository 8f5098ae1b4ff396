// A call of scaled_dot_product_attention as its kernels take it.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "attention_params.h"
#include "runtime/kernel_library.h"

namespace torch_metal {

constexpr int64_t kAttentionBlock = 32;  ///< queries or keys of a threadgroup

AttentionLayout attention_layout(const at::Tensor& t);

/// The tensor, or a copy, whose features lie next to each other.
at::Tensor with_adjacent_features(const at::Tensor& t);

/// A dense tensor whose dimensions lie in memory in the order of those of `like`, features innermost.
at::Tensor dense_in_order_of(const at::Tensor& like, at::IntArrayRef sizes);

/// For the product of a gradient and an output, row by row.
AttentionDeltaParams delta_params(const at::Tensor& grad_out, const at::Tensor& out);

/// The inputs of a call: [batch, heads, rows, features] of one floating dtype, features next to each other.
struct Attention {
  /// Throws c10::Error for what the kernels do not compute.
  Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& attn_bias,
            double dropout_p, bool is_causal, std::optional<double> scale);

  /// A kernel's instance for these dtypes and sizes; `more` are template arguments that it has besides.
  const Kernel& kernel_of(std::string_view family, std::string_view function,
                          std::initializer_list<std::string_view> more = {}) const;

  uint64_t batch() const { return query.size(0); }
  int64_t rows() const { return query.size(0) * query.size(1) * query.size(2); }
  int64_t features() const { return std::max(query.size(3), value.size(3)); }

  at::Tensor query, key, value;
  at::Tensor bias;  ///< expanded to [batch, heads, queries, keys]; any tensor if there is none
  bool is_biased = false;
  AttentionParams params{};
};

}  // namespace torch_metal
