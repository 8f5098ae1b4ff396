// Files named by digests, in cache_directory()/mslc. Safe for concurrent threads and processes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cache/hash.h"

namespace mslc {

/// What was stored under `key`; nothing if there is no such file or it is not whole.
std::optional<std::string> load_from_cache(const Digest& key);

/// Stores `data` under `key` and keeps the cache below TORCH_METAL_CACHE_SIZE (2G if not set; 0 stores nothing), at
/// the cost of what was used least recently. A folder that cannot be written is no error: the next run compiles again.
void store_in_cache(const Digest& key, std::string_view data);

}  // namespace mslc
