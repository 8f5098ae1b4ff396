// Instantiates what PyTorch's own MSL headers offer, for every type that its operators use.
#include <c10/metal/atomic.h>
#include <c10/metal/error.h>
#include <c10/metal/expm1f.h>
#include <c10/metal/igamma.h>
#include <c10/metal/indexing.h>
#include <c10/metal/random.h>
#include <c10/metal/reduction_utils.h>
#include <c10/metal/special_math.h>
#include <metal_stdlib>
using namespace metal;

// special_math.h, igamma.h
#define FOR_SPECIAL_FUNCTIONS(M)                                                                                    \
  M(erf) M(erfc) M(erfinv) M(erfcx) M(i0) M(i0e) M(i1) M(i1e) M(gamma) M(log_gamma) M(digamma) M(trigamma) M(sinc)  \
  M(spherical_bessel_j0) M(entr) M(bessel_j0_forward) M(bessel_j1_forward) M(bessel_y0_forward)                     \
  M(bessel_y1_forward) M(modified_bessel_i0_forward) M(modified_bessel_i1_forward) M(modified_bessel_k0_forward)    \
  M(modified_bessel_k1_forward) M(scaled_modified_bessel_k0_forward) M(scaled_modified_bessel_k1_forward)
#define FOR_BINARY_FUNCTIONS(M) M(logaddexp) M(logaddexp2) M(xlogy) M(xlog1py) M(igamma) M(igammac) M(max) M(min) M(less)
#define FOR_POLYNOMIALS(M)                                                                                        \
  M(chebyshev_polynomial_t_forward) M(chebyshev_polynomial_u_forward) M(chebyshev_polynomial_v_forward)           \
  M(chebyshev_polynomial_w_forward) M(shifted_chebyshev_polynomial_t_forward)                                     \
  M(shifted_chebyshev_polynomial_u_forward) M(shifted_chebyshev_polynomial_v_forward)                             \
  M(shifted_chebyshev_polynomial_w_forward) M(hermite_polynomial_h_forward) M(hermite_polynomial_he_forward)

template <typename T>
kernel void special_functions(device const T* x, device T* y, constant long& order, uint i [[thread_position_in_grid]]) {
  float sum = 0;
#define ADD(f) sum += float(c10::metal::f(x[i]));
  FOR_SPECIAL_FUNCTIONS(ADD)
#undef ADD
#define ADD(f) sum += float(c10::metal::f(x[i], x[i + 1]));
  FOR_BINARY_FUNCTIONS(ADD)
#undef ADD
#define ADD(f) sum += float(c10::metal::f(x[i], order));
  FOR_POLYNOMIALS(ADD)
#undef ADD
  sum += c10::metal::polygamma(order, x[i]) + c10::metal::zeta(x[i], x[i + 1]) + c10::metal::expm1f(float(x[i]));
  y[i] = static_cast<T>(sum);
}

template [[host_name("special_functions_float")]] kernel void special_functions<float>(
    device const float*, device float*, constant long&, uint);
template [[host_name("special_functions_half")]] kernel void special_functions<half>(
    device const half*, device half*, constant long&, uint);
template [[host_name("special_functions_bfloat")]] kernel void special_functions<bfloat>(
    device const bfloat*, device bfloat*, constant long&, uint);

// reduction_utils.h
template <typename T>
kernel void reductions(device const T* x, device T* y, uint i [[thread_position_in_grid]],
                       uint thread_index [[thread_index_in_threadgroup]], uint threads [[threads_per_threadgroup]]) {
  threadgroup T shared[c10::metal::simdgroup_size];
  threadgroup c10::metal::opmath_t<T> sums[c10::metal::simdgroup_size];
  const T value = x[i];
  const auto low = c10::metal::simd_argmin(value);
  const auto high = c10::metal::simd_argmax(value);
  y[i] = c10::metal::simd_sum(value) + c10::metal::simd_prod(value) + low.first + high.first;
  y[i] += static_cast<T>(c10::metal::threadgroup_sum(sums, c10::metal::opmath_t<T>(value), thread_index, threads));
  y[i] += c10::metal::threadgroup_max(shared, value, thread_index, threads);
  y[i] += c10::metal::threadgroup_min(shared, value, thread_index, threads);
}
#define REGISTER_REDUCTIONS(T)                                                             \
  template [[host_name("reductions_" #T)]] kernel void reductions<T>(device const T*, device T*, uint, uint, uint);
REGISTER_REDUCTIONS(float)
REGISTER_REDUCTIONS(half)
REGISTER_REDUCTIONS(bfloat)
REGISTER_REDUCTIONS(int)
REGISTER_REDUCTIONS(long)
REGISTER_REDUCTIONS(short)
REGISTER_REDUCTIONS(char)
REGISTER_REDUCTIONS(uchar)

// random.h, error.h
kernel void random_numbers(device float4* y, device long* z, device c10::metal::ErrorMessages* errors,
                           constant long2& seed, uint i [[thread_position_in_grid]]) {
  const uint4 raw = c10::metal::philox4::rand(seed.x, i);
  const float2 normal = c10::metal::box_muller_from_philox(raw.xy);
  y[i] = float4(c10::metal::rand(seed.x, i), c10::metal::randn(seed.x, i), normal);
  z[i] = c10::metal::randint64(seed.x, i, 0, 100);
  if (z[i] > 100) {
    TORCH_REPORT_ERROR(errors, "value ", long(z[i]), " of thread ", long(i));
  }
}

// atomic.h
template <typename T>
kernel void atomic_additions(device c10::metal::AtomicType_t<T>* sums, device const T* x,
                             uint i [[thread_position_in_grid]]) {
  c10::metal::AtomicType<T>::atomic_add(sums, i / 32, x[i]);
}
#define REGISTER_ATOMIC(T)                                                          \
  template [[host_name("atomic_additions_" #T)]] kernel void atomic_additions<T>(   \
      device c10::metal::AtomicType_t<T>*, device const T*, uint);
REGISTER_ATOMIC(float)
REGISTER_ATOMIC(half)
REGISTER_ATOMIC(bfloat)
REGISTER_ATOMIC(int)
REGISTER_ATOMIC(long)
REGISTER_ATOMIC(short)
REGISTER_ATOMIC(char)
REGISTER_ATOMIC(uchar)
REGISTER_ATOMIC(bool)
REGISTER_ATOMIC(float2)
REGISTER_ATOMIC(half2)

// indexing.h
struct scaled_sine_functor {
  template <typename T>
  T operator()(const T x) {
    return static_cast<T>(2.0f * ::metal::precise::sin(static_cast<float>(x)));
  }
};
struct multiply_functor {
  template <typename T>
  T operator()(const T x, const T y) {
    return static_cast<T>(c10::metal::mul(x, y));
  }
};
struct add_scaled_functor {
  template <typename T>
  T operator()(const T x, const T y, const T alpha) {
    return static_cast<T>(x + c10::metal::mul(alpha, y));
  }
};
DEFINE_UNARY_FLOATING_FUNCTOR(sinh);
DEFINE_BINARY_COMPARISON_FUNCTOR(less_than, <);
REGISTER_UNARY_OP(scaled_sine, float, float);
REGISTER_UNARY_OP(scaled_sine, bfloat, bfloat);
REGISTER_BINARY_OP(multiply, float, float);
REGISTER_BINARY_OP(multiply, long, long);
REGISTER_BINARY_OP(multiply, half2, half2);
REGISTER_OPMATH_BINARY_OP(multiply, half, half);
REGISTER_BINARY_ALPHA_OP(add_scaled, float, float, float);
REGISTER_BINARY_ALPHA_OP(add_scaled, bfloat, bfloat, bfloat);
