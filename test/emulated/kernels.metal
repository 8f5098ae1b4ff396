// What CPUs are likely to disagree about: each kernel's results must be the same on all of them, bit by bit but for NaN.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;

constant uint kFunctions = 24;

kernel void functions(device float* out, device const float* xs, device const float* ys, uint i [[thread_position_in_grid]]) {
  const float x = xs[i], y = ys[i];
  // Which of two zeros is less is open.
  const float results[kFunctions] = {
    x + y, x * y, x / y, x * y + 1.0f, fma(x, y, -x), fmod(x, y), fmin(x, y) + 0.0f, fmax(x, y) + 0.0f,
    clamp(x, -1.0f, 1.0f) + 0.0f, sqrt(x), rsqrt(x), rint(x), trunc(x), exp(x), log(x), sin(x),
    cos(x), tanh(x), atan2(x, y), pow(x, y), asinh(x), ldexp(x, 3), fract(x), float(x < y) + 2.0f * float(isnan(x)),
  };
  for (uint f = 0; f < kFunctions; ++f) out[i * kFunctions + f] = results[f];
}

template <class T>
kernel void small_floats(device T* out, device const T* xs, device const T* ys, device const float* wide,
                         uint i [[thread_position_in_grid]]) {
  const T x = xs[i], y = ys[i];
  T kept = -y;
  for (uint round = 0; round < (i & 7); ++round) kept = kept < x ? kept + x : -kept;
  const T results[9] = {x + y, x - y, x * y, x / y, -x, T(wide[i]), T(float(x) * float(y)), T(int(i) - 30000), kept};
  for (uint f = 0; f < 9; ++f) out[i * 9 + f] = results[f];
}
template [[host_name("halves")]] kernel void small_floats<half>(device half*, device const half*, device const half*,
                                                                device const float*, uint);
template [[host_name("bfloats")]] kernel void small_floats<bfloat>(device bfloat*, device const bfloat*, device const bfloat*,
                                                                   device const float*, uint);

kernel void integers(device long* out, device const int* xs, device const int* ys, uint i [[thread_position_in_grid]]) {
  const int x = xs[i], y = ys[i] | 1;
  const long wide = long(x) * 0x123456789l + y;
  out[i * 8 + 0] = y == -1 ? 0 : x / y;
  out[i * 8 + 1] = uint(x) % uint(y);
  out[i * 8 + 2] = wide / y;
  out[i * 8 + 3] = mulhi(x, y);
  out[i * 8 + 4] = popcount(x) + 100 * clz(x) + 10000 * ctz(y);
  out[i * 8 + 5] = short(x) >> (y & 15);
  out[i * 8 + 6] = mulhi(wide, long(x));
  out[i * 8 + 7] = addsat(x, y) ^ long(rotate(uint(x), 7u)) << 32;
}

// Sums in one order, whatever the CPU; lanes that have parted.
kernel void lanes(device float* out, device const float* xs, uint i [[thread_position_in_grid]],
                  uint lane [[thread_index_in_simdgroup]]) {
  float x = xs[i], results[6] = {};
  results[0] = simd_sum(x);
  if (x > 0.0f) results[1] = simd_prefix_inclusive_sum(x);
  results[2] = simd_max(x);
  for (uint round = 0; round < (lane & 7); ++round) x = x * 0.75f + simd_sum(x) * 0.01f;
  results[3] = x;
  results[4] = simd_shuffle_xor(x, 5) - simd_broadcast_first(x);
  results[5] = quad_sum(x);
  for (uint f = 0; f < 6; ++f) out[i * 6 + f] = results[f];
}

struct Cells {
  atomic_int sum;
  atomic_float whole;
  atomic_uint most, chain;
  atomic_ulong last;
};

kernel void atomics(device Cells& cells, device const int* xs, uint i [[thread_position_in_grid]],
                    uint t [[thread_index_in_threadgroup]]) {
  threadgroup atomic_int inside[4];
  if (t < 4) atomic_store_explicit(&inside[t], 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const int x = xs[i] & 1023;
  atomic_fetch_add_explicit(&inside[x & 3], x, memory_order_relaxed);
  atomic_fetch_add_explicit(&cells.whole, float(x & 7), memory_order_relaxed);
  atomic_fetch_max_explicit(&cells.most, uint(x * 77), memory_order_relaxed);
  atomic_max_explicit(&cells.last, ulong(x) << 33, memory_order_relaxed);
  uint old = atomic_load_explicit(&cells.chain, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&cells.chain, &old, old + uint(x), memory_order_relaxed,
                                                memory_order_relaxed)) {
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (t < 4)
    atomic_fetch_add_explicit(&cells.sum, atomic_load_explicit(&inside[t], memory_order_relaxed), memory_order_relaxed);
}

template <class T, class Sum>
kernel void product(device Sum* out, device const T* a, device const T* b) {
  simdgroup_matrix<T, 8, 8> left, right;
  simdgroup_matrix<Sum, 8, 8> sum = make_filled_simdgroup_matrix<Sum, 8, 8>(Sum(0.5f));
  for (uint k = 0; k < 4; ++k) {
    simdgroup_load(left, a + 8 * k, 32);
    simdgroup_load(right, b + 8 * k, 32, 0, true);
    simdgroup_multiply_accumulate(sum, left, right, sum);
  }
  simdgroup_store(sum, out, 8);
}
template [[host_name("product_float")]] kernel void product<float, float>(device float*, device const float*, device const float*);
template [[host_name("product_half")]] kernel void product<half, half>(device half*, device const half*, device const half*);
template [[host_name("product_bfloat")]] kernel void product<bfloat, float>(device float*, device const bfloat*, device const bfloat*);

// A softmax over a threadgroup, with the threads handing values on behind barriers in a loop.
kernel void barriers(device float* out, device const float* xs, threadgroup float* scratch, uint i [[thread_position_in_grid]],
                     uint t [[thread_index_in_threadgroup]], uint threads [[threads_per_threadgroup]]) {
  float x = xs[i];
  scratch[t] = x;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint step = threads / 2; step > 0; step /= 2) {
    if (t < step) scratch[t] = max(scratch[t], scratch[t + step]);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  const float greatest = scratch[0];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  scratch[t] = exp(x - greatest);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float sum = 0;
  for (uint other = 0; other < threads; ++other) sum += scratch[(t + other) % threads];
  out[i] = scratch[t] / sum;
}
