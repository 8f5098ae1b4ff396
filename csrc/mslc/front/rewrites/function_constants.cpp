#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

const char* const kDefinedPrefix = "__msl_defined_";

// `x` of `is_function_constant_defined(a::x)` names the companion of the constant.
void rewrite_query(TokenBuffer& tokens, size_t query) {
  const size_t close = tokens.closing(query + 1);
  if (close == TokenBuffer::npos || !tokens.is_identifier(close - 1)) return;
  tokens.erase(query, query + 1);
  tokens.replace(close - 1, kDefinedPrefix + tokens.word(close - 1).str());
}

// Index after the `]]` that ends the attributes which `index` is among.
size_t attributes_end(const TokenBuffer& tokens, size_t index) {
  while (index < tokens.size() && !(tokens.is(index, tok::r_square) && tokens.is(index + 1, tok::r_square))) ++index;
  return index + 2;
}

}  // namespace

void rewrite_function_constants(TokenBuffer& tokens) {
  size_t statement = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens.is(i, tok::semi) || tokens.is(i, tok::l_brace) || tokens.is(i, tok::r_brace)) statement = i + 1;
    if (tokens.is(i, "is_function_constant_defined") && tokens.is(i + 1, tok::l_paren)) rewrite_query(tokens, i);
    if (!tokens.is(i, "function_constant") || !tokens.is(i + 1, tok::l_paren)) continue;
    const size_t close = tokens.closing(i + 1), name = i - 3, end = attributes_end(tokens, close);
    if (close == TokenBuffer::npos) continue;
    if (tokens.is(end, tok::comma) || tokens.is(end, tok::r_paren)) {
      // On a kernel's parameter the attribute says when the argument exists. An address is a constant to clang.
      tokens.replace(i, "exists_if");
      tokens.insert(i + 2, "&");
      continue;
    }
    if (!tokens.is(i - 1, tok::l_square) || !tokens.is_identifier(name) || !tokens.is(end, tok::semi)) continue;

    tokens.insert(statement, "extern");
    for (size_t word = statement; word < name; ++word) {
      if (tokens.is(word, "static")) tokens.erase(word, word + 1);
      if (tokens.is(word, "constant")) tokens.replace(word, "const");
    }
    tokens.insert(end + 1, "extern const bool " + (kDefinedPrefix + tokens.word(name).str()) +
                                 " __attribute__((annotate(\"msl:function_constant_defined\", " +
                                 tokens.spelling(i + 2, close) + ")));");
  }
  tokens.commit();
}

}  // namespace mslc
