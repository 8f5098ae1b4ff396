// The random number generator of the metal device: Philox4x32-10, keyed by seed, advanced by offset.
#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <optional>

namespace torch_metal {

/// What a kernel needs to draw numbers: `c10::metal::randn(seed, offset + thread)` and its kin.
struct PhiloxState {
  uint64_t seed;
  uint64_t offset;
};

/// Reserves `count` counter values of the generator (the default one if none is given) and returns where they
/// start. Threads that draw in parallel use disjoint counters. Takes the generator's mutex.
PhiloxState reserve_philox(const std::optional<at::Generator>& generator, uint64_t count);

const at::Generator& default_generator();

}  // namespace torch_metal
