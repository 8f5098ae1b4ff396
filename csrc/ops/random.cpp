// Random numbers: PyTorch checks arguments and calls the stubs, kernels/random.metal draws.
#include <ATen/Generator.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/NativeFunctions.h>
#include <ATen/ceil_div.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/native/UnaryOps.h>

#include <cmath>
#include <limits>

#include "ops/elementwise.h"
#include "random_params.h"
#include "sort_params.h"
#include "runtime/generator.h"

namespace torch_metal {

namespace {

using Generator = std::optional<at::Generator>;

constexpr uint64_t kThreads = 1024;

/// Parameters for `count` elements, `draws` of them from one Philox counter.
RandomParams draw(const Generator& generator, uint64_t count, uint64_t draws) {
  RandomParams params{};
  params.count = count;
  params.stride = (count + draws - 1) / draws;
  const PhiloxState state = reserve_philox(generator, params.stride);
  params.seed = static_cast<int64_t>(state.seed);
  params.offset = static_cast<int64_t>(state.offset);
  return params;
}

template <class... Arguments>
void launch_random(const Kernel& kernel, const RandomParams& params, const Arguments&... arguments) {
  launch_threads(kernel, {params.stride}, {std::min(params.stride, kThreads)}, arguments..., params);
}

/// Fills a tensor of any strides; `params` is what the distribution reads.
void fill(const at::TensorBase& base, const Generator& generator, std::string_view distribution, RandomParams params,
          uint64_t draws = 4) {
  const at::Tensor self(base);
  if (self.numel() == 0) return;
  const at::Tensor out = self.is_non_overlapping_and_dense() ? self : at::empty(self.sizes(), self.options());
  const RandomParams drawn = draw(generator, out.numel(), draws);
  params.seed = drawn.seed;
  params.offset = drawn.offset;
  params.count = drawn.count;
  params.stride = drawn.stride;
  const std::string name = "distribution::" + std::string(distribution);
  launch_random(kernel("random", "random_fill", {name, metal_type(out.scalar_type())}), params, out);
  if (!out.is_same(self)) self.copy_(out);
}

RandomParams real_params(double a, double b = 0) {
  RandomParams params{};
  params.a = static_cast<float>(a);
  params.b = static_cast<float>(b);
  return params;
}

void fill_integers(const at::TensorIteratorBase& iter, const Generator& generator, uint64_t range, int64_t base) {
  RandomParams params{};
  params.base = base;
  params.range = range;
  const bool wide = range == 0 || range > (uint64_t{1} << 32);
  fill(iter.tensor_base(0), generator, wide ? "long_integer" : "integer", params, wide ? 2 : 4);
}

void uniform_kernel(at::TensorIteratorBase& iter, double from, double to, Generator generator) {
  fill(iter.tensor_base(0), generator, "uniform", real_params(from, to));
}

void normal_kernel(const at::TensorBase& self, double mean, double deviation, Generator generator) {
  fill(self, generator, "normal", real_params(mean, deviation));
}

void log_normal_kernel(at::TensorIteratorBase& iter, double mean, double deviation, Generator generator) {
  fill(iter.tensor_base(0), generator, "log_normal", real_params(mean, deviation));
}

void exponential_kernel(at::TensorIteratorBase& iter, double rate, Generator generator) {
  fill(iter.tensor_base(0), generator, "exponential", real_params(rate));
}

void cauchy_kernel(at::TensorIteratorBase& iter, double median, double scale, Generator generator) {
  fill(iter.tensor_base(0), generator, "cauchy", real_params(median, scale));
}

void geometric_kernel(at::TensorIteratorBase& iter, double p, Generator generator) {
  fill(iter.tensor_base(0), generator, "geometric", real_params(p, std::log1p(-p)));
}

void random_from_to_kernel(at::TensorIteratorBase& iter, uint64_t range, int64_t base, Generator generator) {
  fill_integers(iter, generator, range, base);
}

void random_full_range_kernel(at::TensorIteratorBase& iter, Generator generator) {
  fill_integers(iter, generator, 0, 0);
}

/// All values of an integer type that are not negative, all integers that a floating-point type holds exactly.
uint64_t default_range(at::ScalarType dtype) {
  if (dtype == at::kBool) return 2;
  return AT_DISPATCH_ALL_TYPES_AND2(at::kHalf, at::kBFloat16, dtype, "random", [] {
    using limits = std::numeric_limits<scalar_t>;
    return limits::is_integer ? static_cast<uint64_t>(limits::max()) + 1 : (uint64_t{1} << limits::digits) + 1;
  });
}

void random_kernel(at::TensorIteratorBase& iter, Generator generator) {
  fill_integers(iter, generator, default_range(iter.dtype()), 0);
}

void bernoulli_scalar_kernel(const at::TensorBase& self, double p, Generator generator) {
  fill(self, generator, "bernoulli", real_params(p));
}

void bernoulli_tensor_kernel(const at::TensorBase& base, const at::TensorBase& probability, Generator generator) {
  const at::Tensor self(base);
  at::assert_no_partial_overlap(self, at::Tensor(probability));
  if (self.numel() == 0) return;
  const at::Tensor out = self.is_contiguous() ? self : at::empty(self.sizes(), self.options());
  const at::Tensor p = at::Tensor(probability).to(self.device()).expand(self.sizes()).contiguous();
  launch_random(
      kernel("random", "bernoulli_tensor", {metal_type(out.scalar_type()), metal_type(p.scalar_type())}),
      draw(generator, out.numel(), 4), out, p);
  if (!out.is_same(self)) self.copy_(out);
}

/// Inverts the cumulative distribution at uniform numbers.
void multinomial_kernel(at::Tensor& result, const at::Tensor& self, int64_t samples, Generator generator) {
  const auto valid = self.isfinite().logical_and(self.ge(0)).all().logical_and(self.sum(-1).gt(0).all());
  TORCH_CHECK(valid.item<bool>(), "probability tensor contains either `inf`, `nan` or element < 0, or sums to 0");
  const at::Tensor cumulative = self.to(at::kFloat).cumsum(-1);
  auto sizes = self.sizes().vec();
  sizes.back() = samples;
  const at::Tensor uniform = at::empty(sizes, cumulative.options()).uniform_(0, 1, generator);
  const at::Tensor total = cumulative.narrow(-1, self.size(-1) - 1, 1);
  result.copy_(at::searchsorted(cumulative, uniform.mul_(total), /*out_int32=*/false, /*right=*/true)
                   .clamp_max_(self.size(-1) - 1));
}

/// A dense tensor in place of `out`, which `copy_` follows where it is another.
at::Tensor dense_result(const at::Tensor& out) {
  return out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
}

/// Few numbers are put in the order of random keys: all permutations are equally likely, but for the odds that two keys
/// are equal, below 2^-18 (38 bits for 2^10 numbers, 64 for more). Many are permuted by a kernel that needs no memory but
/// the result.
at::Tensor& randperm_out(int64_t n, Generator generator, at::Tensor& out) {
  TORCH_CHECK(n >= 0, "n must be non-negative, got", n);
  if (out.scalar_type() != at::kLong) at::native::check_supported_max_int_with_precision(n, out);  // makes a tensor
  at::native::resize_output(out, {n});
  if (n == 0) return out;
  constexpr int64_t kFew = 1 << 12, kMost = int64_t{1} << 30;
  if (n > kFew && n <= kMost) {
    // Even numbers: rotations of an odd number of places are even permutations, and so would be all that they make.
    const auto even = [](int64_t number) { return static_cast<uint32_t>(number + number % 2); };
    const uint32_t rows = even(static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(n)))));
    const PhiloxState state = reserve_philox(generator, 2);
    const PermutationParams params{static_cast<int64_t>(state.seed), static_cast<int64_t>(state.offset),
                                   static_cast<uint32_t>(n), rows, Divisor::of(even((n + rows - 1) / rows))};
    const at::Tensor result = dense_result(out);
    launch_threads(kernel("random", "permute", {metal_type(out.scalar_type())}), {static_cast<uint64_t>(n)}, {kThreads},
                   result, params);
    return result.is_same(out) ? out : out.copy_(result);
  }
  if (n <= kSortBlock) {
    const uint64_t threads = at::ceil_div<uint64_t>(n, 32 * kSortItems) * 32;
    const PhiloxState state = reserve_philox(generator, threads * kRandomOrderDraws);
    const RandomOrderParams params{static_cast<int64_t>(state.seed), static_cast<int64_t>(state.offset),
                                   static_cast<uint32_t>(n)};
    const at::Tensor result = dense_result(out);
    launch_threads(kernel("sort", "random_order", {metal_type(out.scalar_type())}), {threads}, {threads}, result, params);
    return result.is_same(out) ? out : out.copy_(result);
  }
  const at::Tensor keys = at::empty({n}, out.options().dtype(at::kLong));
  keys.random_(std::numeric_limits<int64_t>::min(), std::nullopt, generator);
  return out.copy_(keys.argsort());
}

std::tuple<at::Tensor, at::Tensor> native_dropout(const at::Tensor& input, double p, std::optional<bool> train) {
  TORCH_CHECK(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
  const auto mask_options = input.options().dtype(at::kBool);
  if (!train.value_or(true)) return {input.clone(), at::ones_like(input, mask_options)};
  check_domain("native_dropout", Domain::real, input.scalar_type());
  const at::Tensor in = input.is_non_overlapping_and_dense() ? input : input.contiguous();
  at::Tensor out = at::empty_like(in), mask = at::empty_like(in, mask_options);
  if (in.numel() == 0) return {out, mask};
  RandomParams params = draw(std::nullopt, in.numel(), 4);
  params.a = static_cast<float>(p);
  params.b = p == 1 ? 0 : static_cast<float>(1 / (1 - p));
  launch_random(kernel("random", "dropout", {metal_type(in.scalar_type())}), params, out, mask, in);
  return {out, mask};
}

at::Tensor native_dropout_backward(const at::Tensor& grad, const at::Tensor& mask, double scale) {
  if (!grad.is_floating_point()) return grad.mul(mask).mul(scale);  // becomes float
  at::Tensor result = at::empty_like(mask, grad.options());  // which lies as the input did
  auto iter = at::TensorIteratorConfig()
                  .check_all_same_dtype(false)
                  .add_output(result)
                  .add_const_input(mask)
                  .add_const_input(grad)
                  .build();
  elementwise_as_stored(iter, "pointwise", "masked_scale", {scale});
  return result;
}

}  // namespace

}  // namespace torch_metal

namespace at::native {
using namespace torch_metal;
REGISTER_PRIVATEUSE1_DISPATCH(uniform_stub, &uniform_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(normal_stub, &normal_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(log_normal_stub, &log_normal_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(exponential_stub, &exponential_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(cauchy_stub, &cauchy_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(geometric_stub, &geometric_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(random_stub, &random_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(random_from_to_stub, &random_from_to_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(random_full_64_bits_range_stub, &random_full_range_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(bernoulli_scalar_stub, &bernoulli_scalar_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(bernoulli_tensor_stub, &bernoulli_tensor_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(multinomial_with_replacement_stub, &multinomial_kernel)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  using namespace torch_metal;
  METAL_IMPL(m, "uniform_", at::native::uniform_);
  METAL_IMPL(m, "normal_", at::native::normal_);
  METAL_IMPL_OVERLOAD(m, "normal.Tensor_float", normal_Tensor_float, at::native::normal);
  METAL_IMPL_OVERLOAD(m, "normal.float_Tensor", normal_float_Tensor, at::native::normal);
  METAL_IMPL_OVERLOAD(m, "normal.Tensor_Tensor", normal_Tensor_Tensor, at::native::normal);
  METAL_IMPL_OVERLOAD(m, "normal.Tensor_float_out", normal_Tensor_float_out, at::native::normal_out);
  METAL_IMPL_OVERLOAD(m, "normal.float_Tensor_out", normal_float_Tensor_out, at::native::normal_out);
  METAL_IMPL_OVERLOAD(m, "normal.Tensor_Tensor_out", normal_Tensor_Tensor_out, at::native::normal_out);
  METAL_IMPL(m, "log_normal_", at::native::log_normal_);
  METAL_IMPL(m, "exponential_", at::native::exponential_);
  METAL_IMPL(m, "cauchy_", at::native::cauchy_);
  METAL_IMPL(m, "geometric_", at::native::geometric_);
  METAL_IMPL_OVERLOAD(m, "random_", random_, at::native::random_);
  METAL_IMPL_OVERLOAD(m, "random_.from", random__from, at::native::random_);
  METAL_IMPL_OVERLOAD(m, "random_.to", random__to, at::native::random_);
  METAL_IMPL_OVERLOAD(m, "bernoulli_.float", bernoulli__float, at::native::bernoulli_);
  METAL_IMPL_OVERLOAD(m, "bernoulli_.Tensor", bernoulli__Tensor, at::native::bernoulli_);
  METAL_IMPL_OVERLOAD(m, "bernoulli.out", bernoulli_out, at::native::bernoulli_out);
  METAL_IMPL(m, "multinomial", at::native::multinomial);
  METAL_IMPL(m, "multinomial.out", at::native::multinomial_out);
  METAL_IMPL(m, "randperm.generator_out", randperm_out);
  METAL_IMPL(m, "native_dropout", native_dropout);
  METAL_IMPL(m, "native_dropout_backward", native_dropout_backward);
}
