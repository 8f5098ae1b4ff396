// Interpolation of images as sparse matrices, one for each dimension; the gradient is the product with the transpose.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace torch_metal {

/// Rows are output positions, columns input positions.
class InterpolationMatrix {
 public:
  explicit InterpolationMatrix(int64_t columns) : columns_(columns) {}

  void add(int64_t column, double weight);  ///< to the last row
  void end_row() { starts_.push_back(static_cast<int32_t>(sources_.size())); }

  int64_t rows() const { return static_cast<int64_t>(starts_.size()) - 1; }
  int64_t columns() const { return columns_; }
  InterpolationMatrix transposed() const;
  /// Rounds weights to 16-bit integers in units of 2^-n, and returns n: the largest that fits (as PyTorch does for
  /// bytes). Entries of one column are added up first.
  uint32_t to_fixed_point();

  // Row i has the entries starts[i] <= k < starts[i + 1].
  const std::vector<int32_t>& starts() const { return starts_; }
  const std::vector<int32_t>& sources() const { return sources_; }
  const std::vector<double>& weights() const { return weights_; }

 private:
  void merge_columns();
  int64_t columns_;
  std::vector<int32_t> starts_{0}, sources_;
  std::vector<double> weights_;
};

/// A dimension of `in` positions that becomes one of `out`.
struct Resizing {
  int64_t in;
  int64_t out;
  bool align_corners;
  std::optional<double> scale;  ///< of the output, if not out / in
};

/// The filters. Real is the type PyTorch computes weights in: float, or double for images of bytes.
template <class Real>
InterpolationMatrix linear_filter(const Resizing& resizing);
/// Cubic convolution (Keys) with a = -3/4.
template <class Real>
InterpolationMatrix cubic_filter(const Resizing& resizing);
/// These widen where the image shrinks, so that they see every input position.
template <class Real>
InterpolationMatrix antialiased_linear_filter(const Resizing& resizing);
/// Cubic convolution with a = -1/2.
template <class Real>
InterpolationMatrix antialiased_cubic_filter(const Resizing& resizing);
template <class Real>
InterpolationMatrix antialiased_lanczos_filter(const Resizing& resizing);

/// Multiplies the last dimensions of `input` with one matrix each, the last dimension first. float16, bfloat16 and
/// float32 are accumulated in float32; uint8 (two matrices only) is rounded after each. `out` has the resulting size.
void interpolate(const at::Tensor& input, std::vector<InterpolationMatrix> matrices, const at::Tensor& out);

}  // namespace torch_metal
