// Where compiled kernels are kept between runs, and how much of them: the same variables for mslc and for Apple's Metal.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>

namespace torch_metal {

/// TORCH_METAL_CACHE_DIR, else $XDG_CACHE_HOME/torch_metal, else ~/.cache/torch_metal.
inline std::filesystem::path cache_folder() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::filesystem::path(value ? value : "");
  };
  if (const auto own = variable("TORCH_METAL_CACHE_DIR"); !own.empty()) return own;
  if (const auto base = variable("XDG_CACHE_HOME"); !base.empty()) return base / "torch_metal";
  const auto home = variable("HOME");
  return (home.empty() ? std::filesystem::temp_directory_path() : home / ".cache") / "torch_metal";
}

/// Bytes that may be kept: TORCH_METAL_CACHE_SIZE, a number with K, M or G behind it or not; 2 GB if it is not set.
inline uint64_t cache_limit() {
  const char* const text = std::getenv("TORCH_METAL_CACHE_SIZE");
  if (!text || !*text) return uint64_t{2} << 30;
  char* unit = nullptr;
  const uint64_t number = std::strtoull(text, &unit, 10);
  switch (*unit) {
    case 'k': case 'K': return number << 10;
    case 'm': case 'M': return number << 20;
    case 'g': case 'G': return number << 30;
    default: return number;
  }
}

}  // namespace torch_metal
