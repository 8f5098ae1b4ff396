// Softmax and log-softmax, forward and backward.
#include <ATen/WrapDimUtils.h>

#include <algorithm>
#include <string>

#include "ops/narrow.h"
#include "ops/reduce.h"
#include "ops/structured.h"
#include "runtime/launch.h"
#include "softmax_params.h"

namespace torch_metal {
namespace {

using at::Tensor;

constexpr int64_t kSmallRow = 32;  // shorter rows get one thread each

/// A contiguous tensor as outer x size x inner.
struct Lines {
  Lines(const Tensor& tensor, int64_t dim) {
    for (int64_t d = 0; d < tensor.dim(); ++d) (d < dim ? outer : d == dim ? size : inner) *= tensor.size(d);
  }
  int64_t outer = 1, size = 1, inner = 1;
};

/// Runs <function>_rows or <function>_columns on dense tensors; the last is the output.
template <class... Tensors>
void launch_softmax(const std::string& function, std::string_view op, int64_t dim, const Tensor& input,
                    const Tensor& output, const Tensors&... tensors) {
  if (input.numel() == 0) return;
  const Lines lines(input, at::maybe_wrap_dim(dim, input.dim()));
  const SoftmaxParams params{narrow(lines.size, "softmax's number of elements"),
                             narrow(lines.inner, "the number of elements after softmax's dimension")};
  const auto instance = [&](const char* suffix) -> const Kernel& {
    return kernel("softmax", function + suffix,
                  {op, metal_type(input.scalar_type()), metal_type(output.scalar_type())});
  };
  if (lines.inner > 1 || lines.size <= kSmallRow) {
    const uint64_t x = std::min<int64_t>(lines.inner, 64);
    launch_threads(instance("_columns"), {uint64_t(lines.inner), uint64_t(lines.outer)}, {x, 64 / x}, tensors...,
                   params);
  } else {
    const Kernel& rows = instance("_rows");
    const uint64_t threads = row_threads(lines.size);
    for_each_group_range(lines.outer, threads, [&](uint64_t first, uint64_t count) {
      launch_groups(rows, {count}, {threads}, elements_from(tensors, first * lines.size)..., params);
    });
  }
}

void forward(std::string_view op, const Tensor& self, int64_t dim, const Tensor& out) {
  const Tensor input = self.contiguous();
  const Tensor output = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
  launch_softmax("softmax", op, dim, input, output, input, output);
  if (!output.is_same(out)) out.copy_(output);
}

void backward(std::string_view op, const Tensor& grad, const Tensor& result, int64_t dim, const Tensor& grad_input) {
  const Tensor dense_grad = grad.contiguous(), dense_result = result.contiguous();
  const Tensor output = grad_input.is_contiguous() ? grad_input : at::empty(grad_input.sizes(), grad_input.options());
  launch_softmax("softmax_backward", op, dim, dense_grad, output, dense_grad, dense_result, output);
  if (!output.is_same(grad_input)) grad_input.copy_(output);
}

struct Softmax : at::meta::structured__softmax {
  void impl(const Tensor& self, int64_t dim, bool, const Tensor& out) { forward("softmax_op", self, dim, out); }
};
struct LogSoftmax : at::meta::structured__log_softmax {
  void impl(const Tensor& self, int64_t dim, bool, const Tensor& out) { forward("log_softmax_op", self, dim, out); }
};
struct SoftmaxBackward : at::meta::structured__softmax_backward_data {
  void impl(const Tensor& grad, const Tensor& result, int64_t dim, at::ScalarType, const Tensor& grad_input) {
    backward("softmax_op", grad, result, dim, grad_input);
  }
};
struct LogSoftmaxBackward : at::meta::structured__log_softmax_backward_data {
  void impl(const Tensor& grad, const Tensor& result, int64_t dim, at::ScalarType, const Tensor& grad_input) {
    backward("log_softmax_op", grad, result, dim, grad_input);
  }
};

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "_softmax.out", Softmax);
  METAL_STRUCTURED_CLASS(m, "_log_softmax.out", LogSoftmax);
  METAL_STRUCTURED_CLASS(m, "_softmax_backward_data.out", SoftmaxBackward);
  METAL_STRUCTURED_CLASS(m, "_log_softmax_backward_data.out", LogSoftmaxBackward);
}

}  // namespace torch_metal
