#include "cache/hash.h"

#include <llvm/ADT/StringExtras.h>

#include "cache/build_id.h"
#include "front/stdlib_files.h"
#include "mslc/mslc.h"

namespace mslc {

const Digest& compiler_digest() {
  static const Digest digest = [] {
    Hasher hasher;
    hasher.add(build_id()).add(version());
    for (size_t i = 0; i < stdlib_files_count; ++i) hasher.add({stdlib_files[i].text, stdlib_files[i].size});
    return hasher.finish();
  }();
  return digest;
}

std::string to_text(const Digest& digest) { return llvm::toHex(digest, /*LowerCase=*/true); }

}  // namespace mslc
