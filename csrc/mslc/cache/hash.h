// Digests that name what the cache holds.
#pragma once

#include <llvm/Support/BLAKE3.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace mslc {

using Digest = std::array<uint8_t, 32>;

/// Hashes a sequence of values; each is delimited, so that ("ab", "c") differs from ("a", "bc").
class Hasher {
 public:
  Hasher& add(uint64_t number) {
    hash_.update(llvm::ArrayRef(reinterpret_cast<const uint8_t*>(&number), sizeof number));
    return *this;
  }
  Hasher& add(std::string_view text) {
    add(text.size());
    hash_.update(llvm::StringRef(text));
    return *this;
  }
  Hasher& add(const Digest& digest) {
    hash_.update(llvm::ArrayRef<uint8_t>(digest));
    return *this;
  }
  Digest finish() { return hash_.final<32>(); }

 private:
  llvm::BLAKE3 hash_;
};

/// Digest of the running compiler: it changes whenever libmslc, with its standard library, is built differently.
const Digest& compiler_digest();

/// `digest` in hexadecimal.
std::string to_text(const Digest& digest);

}  // namespace mslc
