// Attention by matrices of 8x8: for devices that multiply them, which are GPUs.
#pragma once

#include "ops/attention.h"

namespace torch_metal {

/// Whether these kernels compute attention with so many features. Forward and backward have to agree: scores are summed
/// up in the same order.
bool suits_matrices(int64_t features);

/// Output and, for the backward pass, logsumexp and what its rounding leaves off.
void attend_by_matrices(const Attention& attention, const at::Tensor& out, const at::Tensor& logsumexp,
                        const at::Tensor& remainder);

struct AttentionGradients {
  at::Tensor query, key, value;
};

/// Gradients from that of the output, whose features are next to each other.
AttentionGradients gradients_by_matrices(const Attention& attention, const at::Tensor& grad_out, const at::Tensor& out,
                                         const at::Tensor& logsumexp, const at::Tensor& remainder);

}  // namespace torch_metal
