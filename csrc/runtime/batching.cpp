#include "runtime/batching.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <string>

namespace torch_metal {

namespace {

// Those that MLX found by measuring; none of ours was measured on a GPU.
BatchLimits default_limits(char gpu_class) {
  switch (gpu_class) {
    case 'p': return {20, uint64_t{40} << 20};
    case 'g': return {40, uint64_t{40} << 20};
    default: return {50, uint64_t{50} << 20};
  }
}

/// The positive number in an environment variable, or `otherwise` if it is not set.
uint64_t number_from_environment(const char* variable, uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  if (!text || !*text) return otherwise;
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 10);
  TORCH_CHECK(*end == '\0' && *text != '-' && value > 0 && value < (uint64_t{1} << 32), variable, " is '", text,
              "'; it must be a whole number from 1 to 2^32 - 1");
  return value;
}

}  // namespace

BatchLimits batch_limits(MTL::Device* device) {
  const std::string architecture = device->architecture()->name()->utf8String();
  const BatchLimits defaults = default_limits(architecture.empty() ? '\0' : architecture.back());
  return {static_cast<unsigned>(number_from_environment("TORCH_METAL_BATCH_OPERATIONS", defaults.operations)),
          number_from_environment("TORCH_METAL_BATCH_MB", defaults.bytes >> 20) << 20};
}

}  // namespace torch_metal
