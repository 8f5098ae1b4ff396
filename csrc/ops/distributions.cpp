// Random numbers from gamma, Dirichlet, Poisson and binomial distributions, and gradients through them.
#include <limits>

#include "ops/elementwise.h"
#include "random_params.h"
#include "runtime/generator.h"

namespace torch_metal {
namespace {

using at::Tensor;
using Generator = std::optional<at::Generator>;

constexpr uint64_t kThreads = 64;

/// One element a thread, from the distribution with these parameters, dense and of one shape.
template <class... Parameters>
Tensor drawn(const char* op, const Kernel& kernel, const Generator& generator, const Tensor& first,
             const Parameters&... others) {
  check_domain(op, Domain::real, first.scalar_type());
  TORCH_CHECK_NOT_IMPLEMENTED(first.numel() <= std::numeric_limits<uint32_t>::max(), "metal: ", op, " of ",
                              first.numel(), " elements");
  const Tensor out = at::empty_like(first);
  RandomParams params{};
  params.count = params.stride = first.numel();
  const PhiloxState state = reserve_philox(generator, params.count);
  params.seed = static_cast<int64_t>(state.seed);
  params.offset = static_cast<int64_t>(state.offset);
  launch_threads(kernel, {params.count}, {kThreads}, out, first, others..., params);
  return out;
}

Tensor standard_gamma(const Tensor& alpha, Generator generator) {
  check_domain("_standard_gamma", Domain::real, alpha.scalar_type());
  return drawn("_standard_gamma", kernel("distributions", "sample_gamma", {metal_type(alpha.scalar_type())}), generator,
               alpha.contiguous());
}

Tensor poisson(const Tensor& rate, Generator generator) {
  check_domain("poisson", Domain::real, rate.scalar_type());
  const Kernel& sampler = kernel("distributions", "sample_poisson", {metal_type(rate.scalar_type())});
  return drawn("poisson", sampler, generator, rate.contiguous(), error_buffer());
}

Tensor binomial(const Tensor& count, const Tensor& probability, Generator generator) {
  check_domain("binomial", Domain::real, count.scalar_type());
  TORCH_CHECK(count.scalar_type() == probability.scalar_type(), "binomial: expected count and prob of one dtype, got ",
              count.scalar_type(), " and ", probability.scalar_type());
  const Kernel& sampler = kernel("distributions", "sample_binomial", {metal_type(count.scalar_type())});
  return drawn("binomial", sampler, generator, count.contiguous(), probability.expand_as(count).contiguous());
}

/// Gamma samples over their sum. Those of small parameters are too small for a float, their logarithms are not.
Tensor sample_dirichlet(const Tensor& alpha, Generator generator) {
  check_domain("_sample_dirichlet", Domain::real, alpha.scalar_type());
  const Tensor logarithms = drawn("_sample_dirichlet", kernel("distributions", "sample_log_gamma", {}), generator,
                                  alpha.to(at::kFloat).contiguous());
  return logarithms.softmax(-1).to(alpha.scalar_type());
}

Tensor standard_gamma_grad(const Tensor& alpha, const Tensor& sample) {
  Tensor out;
  auto iter = at::TensorIterator::borrowing_binary_op(out, alpha, sample);
  check_domain("_standard_gamma_grad", Domain::real, iter.common_dtype());
  elementwise(iter, "distribution_gradients", "standard_gamma");
  return iter.output();
}

/// Of a component x of a Dirichlet sample by its own parameter alpha, over 1 - x; total is the sum of parameters.
Tensor dirichlet_grad(const Tensor& x, const Tensor& alpha, const Tensor& total) {
  Tensor out;
  auto iter = at::TensorIteratorConfig()
                  .add_output(out)
                  .add_const_input(x)
                  .add_const_input(alpha)
                  .add_const_input(total)
                  .promote_inputs_to_common_dtype(true)
                  .build();
  check_domain("_dirichlet_grad", Domain::real, iter.common_dtype());
  elementwise(iter, "distribution_gradients", "dirichlet");
  return iter.output();
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_standard_gamma", standard_gamma);
  METAL_IMPL(m, "_standard_gamma_grad", standard_gamma_grad);
  METAL_IMPL(m, "_sample_dirichlet", sample_dirichlet);
  METAL_IMPL(m, "_dirichlet_grad", dirichlet_grad);
  METAL_IMPL(m, "poisson", poisson);
  METAL_IMPL(m, "binomial", binomial);
}

}  // namespace
}  // namespace torch_metal
