#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

void rewrite(TokenBuffer& tokens) {
  rewrite_literals(tokens);
  rewrite_strings(tokens);
  rewrite_method_qualifiers(tokens);
  rewrite_function_constants(tokens);
  rewrite_attributes(tokens);
  rewrite_threadgroup_variables(tokens);
  rewrite_bool_vectors(tokens);
  rewrite_vectors(tokens);
  rewrite_address_spaces(tokens);
}

bool is_address_space(const TokenBuffer& tokens, size_t index) {
  const llvm::StringRef word = tokens.word(index);
  return word == "device" || word == "threadgroup" || word == "constant" || word == "thread";
}

// A brace opens a body when a parameter list and perhaps qualifiers stand before it, or when it lies in a body.
std::vector<bool> function_bodies(const TokenBuffer& tokens) {
  std::vector<bool> inside(tokens.size()), scopes;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens.is(i, tok::l_brace)) {
      bool body = !scopes.empty() && scopes.back();
      size_t before = i - 1;
      while (is_address_space(tokens, before) || tokens.is(before, "const") || tokens.is(before, "noexcept")) --before;
      body |= tokens.is(before, tok::r_paren);
      scopes.push_back(body);
    }
    inside[i] = !scopes.empty() && scopes.back();
    if (tokens.is(i, tok::r_brace) && !scopes.empty()) scopes.pop_back();
  }
  return inside;
}

}  // namespace mslc
