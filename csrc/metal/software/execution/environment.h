#pragma once

#include <cstdlib>
#include <cstring>

namespace metal_software {

/// The environment variable is set, and not 0.
inline bool is_set(const char* variable) {
  const char* const text = std::getenv(variable);
  return text && *text && std::strcmp(text, "0") != 0;
}

}  // namespace metal_software
