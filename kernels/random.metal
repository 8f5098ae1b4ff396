// Random numbers from Philox4x32-10. One counter yields four 32-bit words; a distribution makes `draws` elements of it.
#include "random_params.h"
#include "random_words.h"

using namespace metal;

namespace distribution {

using namespace random_words;

/// [a, b): rounding must not reach the upper bound.
struct uniform {
  static constexpr constant uint draws = 4;
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    const T value = static_cast<T>(unit(words[i]) * (p.b - p.a) + p.a);
    return static_cast<float>(value) >= p.b ? static_cast<T>(p.a) : value;
  }
};
struct normal {
  static constexpr constant uint draws = 4;
  static float standard(uint4 words, uint i) {
    const float2 pair = i < 2 ? normal_pair(words.x, words.y) : normal_pair(words.z, words.w);
    return i % 2 == 0 ? pair.x : pair.y;
  }
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    return static_cast<T>(standard(words, i) * p.b + p.a);
  }
};
struct log_normal {
  static constexpr constant uint draws = 4;
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    return static_cast<T>(precise::exp(normal::standard(words, i) * p.b + p.a));
  }
};
struct exponential {
  static constexpr constant uint draws = 4;
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    return static_cast<T>(-precise::log(open_unit(words[i])) / p.a);
  }
};
struct cauchy {
  static constexpr constant uint draws = 4;
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    return static_cast<T>(p.a + p.b * precise::tan(M_PI_F * (open_unit(words[i]) - 0.5f)));
  }
};
/// Trials up to the first success of probability a; b is log(1 - a).
struct geometric {
  static constexpr constant uint draws = 4;
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    return static_cast<T>(max(1.0f, ceil(precise::log(open_unit(words[i])) / p.b)));
  }
};
struct bernoulli {
  static constexpr constant uint draws = 4;
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    return static_cast<T>(unit(words[i]) < p.a);
  }
};
/// Integers of a range of at most 2^32.
struct integer {
  static constexpr constant uint draws = 4;
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    return static_cast<T>(p.base + static_cast<long>(words[i] % p.range));
  }
};
struct long_integer {
  static constexpr constant uint draws = 2;
  template <class T>
  static T draw(uint4 words, uint i, constant RandomParams& p) {
    const ulong word = static_cast<ulong>(words[2 * i]) << 32 | words[2 * i + 1];
    return static_cast<T>(p.base + static_cast<long>(p.range == 0 ? word : word % p.range));
  }
};

}  // namespace distribution

template <class Distribution, class T>
kernel void random_fill(device T* out [[buffer(0)]],
                        constant RandomParams& params [[buffer(1)]],
                        uint thread_index [[thread_position_in_grid]]) {
  const uint4 words = c10::metal::philox4::rand(params.seed, params.offset + thread_index);
  for (uint i = 0; i < Distribution::draws; ++i) {
    const ulong position = thread_index + i * params.stride;
    if (position < params.count) out[position] = Distribution::template draw<T>(words, i, params);
  }
}

/// One where a random number is below the element's own probability.
template <class T, class P>
kernel void bernoulli_tensor(device T* out [[buffer(0)]],
                             device const P* probability [[buffer(1)]],
                             constant RandomParams& params [[buffer(2)]],
                             uint thread_index [[thread_position_in_grid]]) {
  const uint4 words = c10::metal::philox4::rand(params.seed, params.offset + thread_index);
  for (uint i = 0; i < 4; ++i) {
    const ulong position = thread_index + i * params.stride;
    if (position < params.count) {
      out[position] = static_cast<T>(random_words::unit(words[i]) < static_cast<float>(probability[position]));
    }
  }
}

/// Zeroes elements with probability a and multiplies the others by b; the mask tells which were kept.
template <class T>
kernel void dropout(device T* out [[buffer(0)]],
                    device bool* mask [[buffer(1)]],
                    device const T* in [[buffer(2)]],
                    constant RandomParams& params [[buffer(3)]],
                    uint thread_index [[thread_position_in_grid]]) {
  const uint4 words = c10::metal::philox4::rand(params.seed, params.offset + thread_index);
  for (uint i = 0; i < 4; ++i) {
    const ulong position = thread_index + i * params.stride;
    if (position < params.count) {
      const bool keep = random_words::unit(words[i]) >= params.a;
      mask[position] = keep;
      out[position] = keep ? static_cast<T>(static_cast<float>(in[position]) * params.b) : T(0);
    }
  }
}

namespace permutation {

constant constexpr uint kRounds = 4;  // each changes the row and the column

/// A hash whose every bit depends on all of `x`'s.
static uint mixed(uint x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ x >> 16;
}

/// `position` of `size`, moved on by a share of it that `hash` says, round and round.
static uint rotated(uint position, uint hash, uint size) {
  const uint moved = position + mulhi(hash, size);
  return moved >= size ? moved - size : moved;
}

}  // namespace permutation

/// out[i] is the number that a random permutation puts at i. It is a Feistel network: rows are rotated by what their
/// column is hashed to and the other way round, so that no two numbers meet. What falls outside is permuted again.
template <class T>
kernel void permute(device T* out [[buffer(0)]], constant PermutationParams& params [[buffer(1)]],
                    uint i [[thread_position_in_grid]]) {
  using namespace permutation;
  const uint4 row_keys = c10::metal::philox4::rand(params.seed, params.offset);
  const uint4 column_keys = c10::metal::philox4::rand(params.seed, params.offset + 1);
  const uint columns = params.columns.value;
  uint number = i;
  do {
    uint row = number;
    uint column = params.columns.split(row);
    for (uint round = 0; round < kRounds; ++round) {
      row = rotated(row, mixed(column ^ row_keys[round]), params.rows);
      column = rotated(column, mixed(row ^ column_keys[round]), columns);
    }
    number = row * columns + column;
  } while (number >= params.count);
  out[i] = static_cast<T>(number);
}
