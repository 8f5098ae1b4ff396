#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

bool is_string(const TokenBuffer& tokens, size_t index) {
  return tokens.is(index, tok::string_literal) || tokens.is(index, tok::kw___func__) ||
         tokens.is(index, tok::kw___FUNCTION__) || tokens.is(index, tok::kw___PRETTY_FUNCTION__);
}

// Whether the value of the string at `index` is used as a pointer: not where an array or a name is spelt with it.
bool is_pointer_value(const TokenBuffer& tokens, size_t index, size_t open) {
  if (tokens.is(index - 1, "return")) return true;
  if (tokens.is(index - 1, tok::equal)) return tokens.is(index - 3, tok::star);  // `constant char* p = "..."`
  if (open == TokenBuffer::npos || !tokens.is(open, tok::l_paren)) return false;
  const llvm::StringRef callee = open > 0 ? tokens.word(open - 1) : llvm::StringRef();
  return callee != "static_assert" && callee != "annotate" && callee != "asm" && callee != "__asm__";
}

}  // namespace

void rewrite_strings(TokenBuffer& tokens) {
  const std::vector<bool> in_body = function_bodies(tokens);
  std::vector<size_t> open;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens.is(i, tok::l_paren) || tokens.is(i, tok::l_square) || tokens.is(i, tok::l_brace)) open.push_back(i);
    const bool closes = tokens.is(i, tok::r_paren) || tokens.is(i, tok::r_square) || tokens.is(i, tok::r_brace);
    if (closes && !open.empty()) open.pop_back();
    if (!in_body[i] || !is_string(tokens, i)) continue;
    if (!is_pointer_value(tokens, i, open.empty() ? TokenBuffer::npos : open.back())) continue;
    tokens.insert(i, "((constant char*)");
    while (is_string(tokens, i + 1)) ++i;  // adjacent literals are one
    tokens.insert(i + 1, ")");
  }
  tokens.commit();
}

}  // namespace mslc
