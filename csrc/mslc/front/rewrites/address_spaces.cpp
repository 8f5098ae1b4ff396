#include "front/rewrites/rewrites.h"

namespace mslc {

void rewrite_address_spaces(TokenBuffer& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const llvm::StringRef word = tokens.word(i);
    if (word == "device") {
      tokens.replace(i, "__attribute__((opencl_global))");
    } else if (word == "threadgroup") {
      tokens.replace(i, "__attribute__((opencl_local))");
    } else if (word == "constant") {
      tokens.replace(i, "const __attribute__((opencl_private))");
    } else if (word == "thread") {
      tokens.erase(i, i + 1);
    }
  }
  tokens.commit();
}

}  // namespace mslc
