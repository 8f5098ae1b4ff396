#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

bool starts_statement(const TokenBuffer& tokens, size_t index) {
  const size_t before = index - 1;
  return index == 0 || tokens.is(before, tok::l_brace) || tokens.is(before, tok::r_brace) ||
         tokens.is(before, tok::semi) || tokens.is(before, tok::r_paren) || tokens[before].isAnnotation();
}

// Whether the declaration after `threadgroup` declares values: no pointer, no reference.
bool declares_values(const TokenBuffer& tokens, size_t index) {
  for (; index < tokens.size() && !tokens.is(index, tok::semi) && !tokens.is(index, tok::equal); ++index) {
    if (tokens.is(index, tok::star) || tokens.is(index, tok::amp)) return false;
    const bool in_type = tokens.is(index, tok::l_paren) &&
                         (tokens.is(index - 1, "decltype") || tokens.is(index - 1, "alignas"));
    if (tokens.is(index, tok::l_paren) && !in_type) return false;
    if (in_type || tokens.is(index, tok::less) || tokens.is(index, tok::l_square)) {
      index = tokens.closing(index);
      if (index == TokenBuffer::npos) return false;
    }
  }
  return true;
}

}  // namespace

void rewrite_threadgroup_variables(TokenBuffer& tokens) {
  const std::vector<bool> in_body = function_bodies(tokens);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens.is(i, "threadgroup") || !in_body[i] || !starts_statement(tokens, i)) continue;
    if (!declares_values(tokens, i + 1)) continue;
    tokens.insert(i, "static __attribute__((annotate(\"msl:threadgroup\")))");
  }
  tokens.commit();
}

}  // namespace mslc
