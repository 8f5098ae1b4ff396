// Parameters of the fused optimisers, shared by host and kernel.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

struct OptimizerParams {
  float lr, weight_decay;
  float beta2, rest1, rest2;   // Adam: the second moment's decay; 1 - beta1 and 1 - beta2, which float would cancel
  float log_beta1, log_beta2;  // so that 1 - beta^step keeps its digits
  float eps;
  float momentum, gain;  // SGD: gain is 1 - dampening
  float lr_decay;        // Adagrad
  uint32_t maximize, amsgrad, nesterov, first_step;
  uint32_t decoupled;                         // weight decay apart from the gradient: AdamW
  uint32_t has_scale, has_found_inf, has_lr;  // which of the optional tensors are given
};

struct ScaleParams {
  float growth_factor, backoff_factor;
  int32_t growth_interval;
};
