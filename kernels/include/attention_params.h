// Parameters of the attention kernels, shared by host and kernels.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// Element strides of [batch, heads, rows, features]; features are next to each other.
struct AttentionLayout {
  int64_t batch, head, row;
};

/// out = dropout(softmax(scale * query x key^T + bias)) x value.
struct AttentionParams {
  AttentionLayout query, key, value, out;
  AttentionLayout bias;  ///< of [batch, heads, queries, keys], 0 where it is broadcast
  int64_t bias_column;
  uint32_t heads;   ///< of queries
  uint32_t group;   ///< heads of queries that share one of keys and values
  uint32_t queries, keys;
  uint32_t head_size, value_size;  ///< features of queries and keys, of values
  uint32_t causal;  ///< query i sees keys 0 to i
  float scale;
  float dropout;      ///< probability with which a weight becomes 0
  float kept_factor;  ///< what the others are multiplied by
  int64_t seed, offset;  ///< Philox: a counter of each row for every four keys
};

/// For one row a SIMD-group: keys are cut into splits, each with its own output and logsumexp.
struct AttentionRowParams {
  AttentionParams attention;
  uint32_t split_size;  ///< keys, a multiple of 32
  int64_t out_split, logsumexp_split;
};

/// Joins the splits: [splits, rows, value_size] of outputs and [splits, rows] of logarithms.
struct AttentionJoinParams {
  AttentionLayout out;
  uint32_t heads, queries, value_size, splits;
  int64_t rows;
};

struct AttentionDeltaParams {
  AttentionLayout grad_out, out;
  uint32_t heads, queries, value_size;
};

/// A threadgroup has a head of keys and a split of them. Gradients of queries are added up in grad_query, one matrix
/// for each split.
struct AttentionBackwardParams {
  AttentionParams attention;
  AttentionLayout grad_out, grad_query, grad_key, grad_value;
  int64_t grad_query_split;
  uint32_t split_size;  ///< keys, a multiple of 32
};

}  // namespace torch_metal
