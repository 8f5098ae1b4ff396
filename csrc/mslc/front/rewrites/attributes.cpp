#include <clang/Basic/Diagnostic.h>

#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

bool is_standard_attribute(llvm::StringRef name) {
  return llvm::is_contained({"likely", "unlikely", "maybe_unused", "nodiscard", "fallthrough", "noreturn", "deprecated"},
                            name);
}

// The annotations that say the same as the attributes in [first, last).
std::string annotations(const TokenBuffer& tokens, size_t first, size_t last) {
  std::string text;
  for (size_t i = first; i < last; ++i) {
    const llvm::StringRef name = tokens.word(i);
    if (name.empty()) continue;
    std::string arguments;
    if (tokens.is(i + 1, tok::l_paren)) {
      const size_t close = tokens.closing(i + 1);
      arguments = tokens.spelling(i + 2, close);
      i = close;
    }
    text += " __attribute__((annotate(\"msl:" + name.str() + "\"" + (arguments.empty() ? "" : ", " + arguments) + ")))";
  }
  return text;
}

}  // namespace

void rewrite_attributes(TokenBuffer& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens.is(i, "kernel")) {
      tokens.replace(i, "__attribute__((annotate(\"msl:kernel\")))");
      continue;
    }
    if (!tokens.is(i, tok::l_square) || !tokens.is(i + 1, tok::l_square) || !tokens.is_word(i + 2)) continue;
    if (is_standard_attribute(tokens.word(i + 2)) || tokens.is(i + 3, tok::coloncolon)) continue;
    const size_t close = tokens.closing(i);
    if (close == TokenBuffer::npos || !tokens.is(close - 1, tok::r_square)) continue;
    tokens.insert(i, annotations(tokens, i + 2, close - 1));
    tokens.erase(i, close + 1);
    i = close;
  }
  tokens.commit();
}

}  // namespace mslc
