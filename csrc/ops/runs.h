// Runs of equal elements in a sorted sequence.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros_like.h>

namespace torch_metal {

/// Which elements of a sequence begin a run, given where neighbours differ (bool, one element fewer).
class Runs {
 public:
  explicit Runs(const at::Tensor& differs)
      : begins_(at::cat({at::ones({1}, differs.options()), differs})), starts_(begins_.nonzero().flatten()) {}

  /// Of a sorted sequence with at least one element.
  static Runs of(const at::Tensor& sorted) { return Runs(sorted.slice(0, 1).ne(sorted.slice(0, 0, -1))); }

  int64_t count() const { return starts_.numel(); }
  /// Positions of the first elements.
  const at::Tensor& starts() const { return starts_; }
  /// The same, and then the sequence's length.
  at::Tensor bounds() const { return at::cat({starts_, at::full({1}, begins_.numel(), starts_.options())}); }
  at::Tensor lengths() const { return at::diff(bounds()); }
  /// Of the run that each element is in.
  at::Tensor numbers() const { return begins_.cumsum(0).sub_(1); }

 private:
  at::Tensor begins_;
  at::Tensor starts_;
};

}  // namespace torch_metal
