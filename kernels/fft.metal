// Fourier transforms along one dimension of dense data [outer, size, inner]: Stockham's algorithm with radices 2, 4, 8,
// 16 and odd primes. Short rows (inner = 1) stay in a threadgroup's memory from the first radix to the last; otherwise
// there is one pass over memory for each radix. Bluestein's algorithm for sizes with large prime factors.
// Inverse transforms are conjugates of transforms of conjugates.
#include <metal_stdlib>

#include "fft_params.h"
#include "scalar_math.h"

using namespace metal;
using namespace torch_metal;

/// exp(-2 pi i k / n) for k < n < 2^31, rounded once or twice: the angle is folded into an eighth of the circle, where
/// Taylor's series are short, and carried in two floats.
static float2 root_of_unity(uint k, uint n) {
  const long whole = 8 * long(n);
  long a = 8 * long(k);
  const bool below = 2 * a > whole;
  if (below) a = whole - a;
  const bool left = 4 * a > whole;
  if (left) a = whole / 2 - a;
  const bool steep = a > n;
  if (steep) a = whole / 4 - a;
  // a / n, then times pi / 4
  const float a_high = float(a), a_low = float(a - long(a_high));
  const float n_high = float(n), n_low = float(long(n) - long(n_high));
  const float q = a_high / n_high, q_low = (fma(-q, n_high, a_high) + (a_low - q * n_low)) / n_high;
  const float c = 0.785398185f, c_low = -2.18556941e-8f;
  const float x = q * c, x_low = fma(q, c, -x) + q * c_low + q_low * c;
  const float x2 = x * x;
  const float s = x + x * x2 * (-1 / 6.0f + x2 * (1 / 120.0f + x2 * (-1 / 5040.0f + x2 * (1 / 362880.0f))));
  const float t = x2 * (-0.5f + x2 * (1 / 24.0f + x2 * (-1 / 720.0f + x2 * (1 / 40320.0f - x2 / 3628800.0f))));
  const float sine = s + x_low * (1 + t), cosine = 1 + (t - x_low * s);
  const float horizontal = steep ? sine : cosine, vertical = steep ? cosine : sine;
  return float2(left ? -horizontal : horizontal, below ? vertical : -vertical);
}

/// One thread a power: roots[k] = exp(-2 pi i k / n).
[[kernel]] void fft_roots(device float2* roots [[buffer(0)]], constant uint& n [[buffer(1)]],
                          uint k [[thread_position_in_grid]]) {
  roots[k] = root_of_unity(k, n);
}

static float2 load_complex(float x) { return float2(x, 0); }
static float2 load_complex(half x) { return float2(x, 0); }
static float2 load_complex(float2 z) { return z; }
static float2 load_complex(half2 z) { return float2(z); }

static void store_complex(device float2* out, float2 z) { *out = z; }
static void store_complex(device half2* out, float2 z) { *out = half2(z); }
static void store_complex(device float* out, float2 z) { *out = z.x; }
static void store_complex(device half* out, float2 z) { *out = half(z.x); }

/// Which side has only the first half of the numbers, from 0 to n / 2.
enum class Half { none, in, out };

/// Element `position` of a row, as the ends of the transform want it. `inside`: it is known to be there.
template <Half half_of, class In>
static float2 read(device const In* row, uint position, uint size, uint inner, constant FftEnds& ends,
                   bool inside = false) {
  const bool mirrored = half_of == Half::in && !inside && position >= ends.in_size;
  const float2 z = load_complex(row[(mirrored ? size - position : position) * long(inner)]);
  return mirrored != bool(ends.conjugate_in) ? math::conj(z) : z;
}
template <Half half_of, class Out>
static void write(device Out* row, uint position, uint inner, float2 z, constant FftEnds& ends, bool inside = false) {
  if (half_of == Half::out && !inside && position >= ends.out_size) return;
  z *= ends.scale;
  store_complex(row + position * long(inner), ends.conjugate_out ? math::conj(z) : z);
}

// Transforms of `radix` numbers. `roots` are those of radix * step.

template <int radix>
struct Butterfly {  // odd; pairs of inputs share a cosine and a sine
  static void apply(thread float2* v, device const float2* roots, uint step) {
    constexpr int pairs = radix / 2;
    float2 sums[pairs], differences[pairs];
    float2 total = v[0];
    for (int q = 0; q < pairs; ++q) {
      sums[q] = v[q + 1] + v[radix - 1 - q];
      differences[q] = v[q + 1] - v[radix - 1 - q];
      total += sums[q];
    }
    const float2 first = v[0];
    v[0] = total;
    for (int i = 1; i <= pairs; ++i) {
      float2 even = first, odd = 0;
      for (int q = 0; q < pairs; ++q) {
        const float2 root = roots[i * (q + 1) % radix * step];
        even += root.x * sums[q];
        odd += root.y * differences[q];
      }
      v[i] = even + math::times_i(odd);
      v[radix - i] = even - math::times_i(odd);
    }
  }
};
template <>
struct Butterfly<1> {
  static void apply(thread float2*, device const float2*, uint) {}
};
template <>
struct Butterfly<2> {
  static void apply(thread float2* v, device const float2*, uint) {
    const float2 a = v[0], b = v[1];
    v[0] = a + b;
    v[1] = a - b;
  }
};
template <>
struct Butterfly<4> {
  static void apply(thread float2* v, device const float2*, uint) {
    const float2 a = v[0] + v[2], b = v[0] - v[2], c = v[1] + v[3], d = math::over_i(v[1] - v[3]);
    v[0] = a + c;
    v[1] = b + d;
    v[2] = a - c;
    v[3] = b - d;
  }
};
template <>
struct Butterfly<8> {
  static void apply(thread float2* v, device const float2* roots, uint step) {
    float2 even[4] = {v[0], v[2], v[4], v[6]}, odd[4] = {v[1], v[3], v[5], v[7]};
    Butterfly<4>::apply(even, roots, step);
    Butterfly<4>::apply(odd, roots, step);
    const float2 a = odd[1], b = odd[3];
    odd[1] = M_SQRT1_2_F * float2(a.x + a.y, a.y - a.x);
    odd[2] = math::over_i(odd[2]);
    odd[3] = M_SQRT1_2_F * float2(b.y - b.x, -b.x - b.y);
    for (int i = 0; i < 4; ++i) {
      v[i] = even[i] + odd[i];
      v[i + 4] = even[i] - odd[i];
    }
  }
};

template <>
struct Butterfly<16> {
  static void apply(thread float2* v, device const float2* roots, uint step) {
    float2 fours[4][4];
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) fours[i][j] = v[i + 4 * j];
      Butterfly<4>::apply(fours[i], roots, step);
    }
    for (int j = 0; j < 4; ++j) {
      float2 across[4] = {fours[0][j], fours[1][j], fours[2][j], fours[3][j]};
      for (int i = 1; i < 4 && j > 0; ++i) across[i] = math::mul(across[i], roots[i * j * step]);
      Butterfly<4>::apply(across, roots, step);
      for (int i = 0; i < 4; ++i) v[j + 4 * i] = across[i];
    }
  }
};

/// One thread a butterfly of a row: butterflies and rows are x and y, or, where `columns` are transformed, y and z, and
/// x is an inner index.
template <int radix, class In, class Out, Half half_of, bool columns>
[[kernel]] void fft_pass(device Out* out [[buffer(0)]], device const In* in [[buffer(1)]],
                         device const float2* roots [[buffer(2)]], constant FftPass& p [[buffer(3)]],
                         uint3 id [[thread_position_in_grid]]) {
  const uint stride = p.size / radix, inner_size = columns ? p.inner : 1, inner = columns ? id.x : 0;
  const uint j = columns ? id.y : id.x, outer = columns ? id.z : id.y;
  uint block = j;
  const uint k = p.done.split(block);
  in += outer * long(p.ends.in_size) * inner_size + inner;
  out += outer * long(p.ends.out_size) * inner_size + inner;
  float2 v[radix];
  for (int i = 0; i < radix; ++i) v[i] = read<half_of>(in, j + i * stride, p.size, inner_size, p.ends);
  const uint turn = k * (stride / p.done.value);
  for (int i = 1; i < radix; ++i) v[i] = math::mul(v[i], roots[i * turn]);
  Butterfly<radix>::apply(v, roots, stride);
  const uint to = block * p.done.value * radix + k;
  for (int i = 0; i < radix; ++i) write<half_of>(out, to + i * p.done.value, inner_size, v[i], p.ends);
}

/// A row between two passes. Real and imaginary parts apart, so that neighbours are next to each other.
template <int n, int first_radix>
struct RowMemory {
  // One more, so that columns do not meet in one bank; where that does not fit, they do.
  static constexpr constant int pitch = n / first_radix + (n < 2048 ? 1 : 0);
  float real[first_radix * pitch];
  float imaginary[first_radix * pitch];

  /// Where number q is, after so many numbers are `done`. What the first pass makes is stored output by output: in
  /// order, neighbours would be first_radix apart.
  template <int done>
  static uint at(uint q) {
    return done == first_radix ? q % first_radix * pitch + q / first_radix : q;
  }
};

/// The passes of a row, from the one that follows `done` numbers on. `twiddles` are what a pass multiplies its inputs
/// with, butterfly by butterfly, of one pass after the other but for the first one.
template <int n, int done, int radix, int... rest>
struct RowPasses {
  static constexpr constant uint stride = n / radix;
  static constexpr constant bool is_last = sizeof...(rest) == 0;

  /// Whether what comes of, or goes to, place i of every butterfly in the first or last pass is.
  static bool in_first_half(uint i) { return 2 * (i + 1) <= radix; }

  static void write_twiddles(device float2* twiddles, uint thread_index, uint threads) {
    if constexpr (done > 1) {
      for (uint j = thread_index; j < stride; j += threads)
        for (int i = 1; i < radix; ++i)
          twiddles[(i - 1) * stride + j] = root_of_unity(uint(i) * (j % done), radix * done);
      twiddles += (radix - 1) * stride;
    }
    if constexpr (!is_last) RowPasses<n, done * radix, rest...>::write_twiddles(twiddles, thread_index, threads);
  }

  template <class Load, class Store, class Memory>
  static void run(Load load, Store store, threadgroup Memory& from, threadgroup Memory& to, device const float2* roots,
                  device const float2* twiddles, uint lane) {
#pragma clang loop unroll(disable)
    for (uint group = 0; group < stride; group += 32) {
      const uint j = group + lane;
      if (stride % 32 != 0 && j >= stride) continue;
      float2 v[radix];
      if constexpr (done == 1) {
        for (uint i = 0; i < radix; ++i) v[i] = load(j + i * stride, in_first_half(i));
      } else {
        for (uint i = 0; i < radix; ++i) {
          const uint at = Memory::template at<done>(j + i * stride);
          v[i] = float2(from.real[at], from.imaginary[at]);
        }
        for (uint i = 1; i < radix; ++i) v[i] = math::mul(v[i], twiddles[(i - 1) * stride + j]);
      }
      Butterfly<radix>::apply(v, roots, stride);
      const uint k = j % done, first = (j - k) * radix + k;
      for (uint i = 0; i < radix; ++i) {
        if constexpr (is_last) {
          store(first + i * done, v[i], in_first_half(i));
        } else {
          const uint at = Memory::template at<done * radix>(first + i * done);
          to.real[at] = v[i].x;
          to.imaginary[at] = v[i].y;
        }
      }
    }
    if constexpr (!is_last) {
      simdgroup_barrier(mem_flags::mem_threadgroup);
      device const float2* const next = done > 1 ? twiddles + (radix - 1) * stride : twiddles;
      RowPasses<n, done * radix, rest...>::run(load, store, to, from, roots, next, lane);
    }
  }
};

/// The roots of n, then the twiddles of row passes.
template <int n, int... radices>
[[kernel]] void fft_row_twiddles(device float2* table [[buffer(0)]], uint thread_index [[thread_position_in_grid]],
                                 uint threads [[threads_per_grid]]) {
  for (uint k = thread_index; k < uint(n); k += threads) table[k] = root_of_unity(k, n);
  RowPasses<n, 1, radices...>::write_twiddles(table + n, thread_index, threads);
}

/// One SIMD-group a row of n numbers.
template <class In, class Out, Half half_of, int n, int first_radix, int... radices>
[[kernel]] void fft_rows(device Out* out [[buffer(0)]], device const In* in [[buffer(1)]],
                         device const float2* table [[buffer(2)]], constant FftEnds& ends [[buffer(3)]],
                         uint row [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  threadgroup RowMemory<n, first_radix> memory[2];
  in += row * long(ends.in_size);
  out += row * long(ends.out_size);
  RowPasses<n, 1, first_radix, radices...>::run(
      [&](uint position, bool inside) { return read<half_of>(in, position, n, 1, ends, inside); },
      [&](uint position, float2 z, bool inside) { write<half_of>(out, position, 1, z, ends, inside); }, memory[0],
      memory[1], table, table + n, lane);
}

/// exp(-pi i k^2 / n)
static float2 chirp(uint k, uint n) { return root_of_unity(uint(ulong(k) * k % (2 * ulong(n))), 2 * n); }

/// One thread a position: what chirped data is convolved with, around position 0.
[[kernel]] void chirp_filter(device float2* filter [[buffer(0)]], constant ChirpParams& p [[buffer(1)]],
                             uint position [[thread_position_in_grid]]) {
  const uint distance = min(position, p.padded - position);
  filter[position] = distance < p.size ? math::conj(chirp(distance, p.size)) : float2(0);
}

/// One thread a position and an inner index (x), an outer index (y), of padded data.
template <class In>
[[kernel]] void chirp_in(device float2* out [[buffer(0)]], device const In* in [[buffer(1)]],
                         constant ChirpParams& p [[buffer(2)]], uint2 id [[thread_position_in_grid]]) {
  uint position = id.x;
  const uint inner = p.inner.split(position);
  in += id.y * long(p.ends.in_size) * p.inner.value + inner;
  float2 z = 0;
  if (position < p.size) {
    z = math::mul(read<Half::in>(in, position, p.size, p.inner.value, p.ends), chirp(position, p.size));
  }
  out[id.y * long(p.padded) * p.inner.value + id.x] = z;
}

/// The same threads. The convolution, as a product of transforms.
[[kernel]] void chirp_convolve(device float2* data [[buffer(0)]], device const float2* filter [[buffer(1)]],
                               constant ChirpParams& p [[buffer(2)]], uint2 id [[thread_position_in_grid]]) {
  uint position = id.x;
  p.inner.split(position);
  device float2& z = data[id.y * long(p.padded) * p.inner.value + id.x];
  z = math::mul(z, filter[position]);
}

/// One thread a position and an inner index (x), an outer index (y), of the result.
template <class Out>
[[kernel]] void chirp_out(device Out* out [[buffer(0)]], device const float2* in [[buffer(1)]],
                          constant ChirpParams& p [[buffer(2)]], uint2 id [[thread_position_in_grid]]) {
  uint position = id.x;
  const uint inner = p.inner.split(position);
  const float2 z = in[id.y * long(p.padded) * p.inner.value + id.x];
  out += id.y * long(p.ends.out_size) * p.inner.value + inner;
  write<Half::out>(out, position, p.inner.value, math::mul(z, chirp(position, p.size)), p.ends);
}
