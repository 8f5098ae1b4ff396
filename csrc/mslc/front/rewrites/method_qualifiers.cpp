#include <map>

#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

// Where the declaration that holds `index` begins: after `;`, `{`, `}`, or an access specifier.
size_t declaration_start(const TokenBuffer& tokens, size_t index) {
  size_t depth = 0;
  for (size_t i = index + 1; i-- > 0;) {
    if (tokens.is(i, tok::r_paren)) ++depth;
    if (tokens.is(i, tok::l_paren)) --depth;
    const bool access = tokens.is(i, tok::colon) && llvm::is_contained({"public", "private", "protected"}, tokens.word(i - 1));
    if (depth == 0 && (access || tokens.is(i, tok::semi) || tokens.is(i, tok::l_brace) || tokens.is(i, tok::r_brace))) {
      return i + 1;
    }
  }
  return 0;
}

size_t declaration_end(const TokenBuffer& tokens, size_t index) {
  while (index < tokens.size() && !tokens.is(index, tok::semi) && !tokens.is(index, tok::l_brace)) {
    index = (tokens.is(index, tok::l_paren) ? tokens.closing(index) : index) + 1;
  }
  return tokens.is(index, tok::l_brace) ? tokens.closing(index) : index;
}

// Whether a method's qualifiers may be followed by this.
bool ends_qualifiers(const TokenBuffer& tokens, size_t index) {
  return tokens.is(index, tok::l_brace) || tokens.is(index, tok::semi) || tokens.is(index, tok::colon) ||
         tokens.is(index, tok::equal) || tokens.is(index, tok::arrow) || tokens.is(index, "noexcept");
}

// What stands between a parameter list and the method's body.
struct Qualifiers {
  size_t end = 0;
  bool is_const = false;
  llvm::StringRef address_space;  // empty if none
};

Qualifiers qualifiers_at(const TokenBuffer& tokens, size_t index) {
  Qualifiers found;
  for (; tokens.is(index, "const") || tokens.is(index, "volatile") || is_address_space(tokens, index); ++index) {
    found.is_const |= tokens.is(index, "const") || tokens.is(index, "constant");
    if (is_address_space(tokens, index)) found.address_space = tokens.word(index);
  }
  found.end = index;
  return found;
}

void drop_address_space(TokenBuffer& tokens, size_t first, size_t last, llvm::StringRef space) {
  for (size_t i = first; i < last; ++i) {
    if (!tokens.is(i, space)) continue;
    if (space == "constant") {
      tokens.replace(i, "const");
    } else {
      tokens.erase(i, i + 1);
    }
  }
}

// A method's text without the address space of its object, which the result may share: `device T& f() device`.
std::string signature_of(const TokenBuffer& tokens, size_t first, size_t close, const Qualifiers& qualifiers) {
  const size_t open = tokens.opening(close);
  std::string text = qualifiers.is_const ? "const " : "";
  for (size_t i = first; i <= close; ++i) {
    if (i > open || qualifiers.address_space.empty() || !tokens.is(i, qualifiers.address_space)) text += tokens.spelling(i) + " ";
  }
  return text;
}

// Index of the first token of the declaration proper, after `template <...>`.
size_t after_template_parameters(const TokenBuffer& tokens, size_t index) {
  while (tokens.is(index, "template") && tokens.is(index + 1, tok::less)) {
    const size_t close = tokens.closing(index + 1);
    if (close == TokenBuffer::npos) break;
    index = close + 1;
  }
  return index;
}

// The one declaration that is kept of methods that differ in their address spaces alone.
struct Kept {
  size_t first = 0;
  bool has_address_space = false;
};

}  // namespace

void rewrite_method_qualifiers(TokenBuffer& tokens) {
  const std::vector<bool> in_body = function_bodies(tokens);
  std::vector<std::map<std::string, Kept>> scopes(1);  // by signature
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens.is(i, tok::l_brace)) scopes.emplace_back();
    if (tokens.is(i, tok::r_brace) && scopes.size() > 1) scopes.pop_back();
    if (!tokens.is(i, tok::r_paren) || in_body[i]) continue;
    const Qualifiers qualifiers = qualifiers_at(tokens, i + 1);
    if (!ends_qualifiers(tokens, qualifiers.end)) continue;

    const size_t first = declaration_start(tokens, i);
    const bool has_space = !qualifiers.address_space.empty();
    const std::string signature = signature_of(tokens, first, i, qualifiers);
    const auto [same, is_new] = scopes.back().try_emplace(signature, Kept{first, has_space});
    if (qualifiers.address_space == "constant") {
      tokens.insert(after_template_parameters(tokens, same->second.first), "__attribute__((annotate(\"msl:constant_object\")))");
    }
    if (!is_new && (same->second.has_address_space || has_space)) {
      const size_t last = declaration_end(tokens, qualifiers.end);
      if (last == TokenBuffer::npos) continue;
      tokens.erase(first, last + 1);
      i = last;
    } else if (has_space) {
      drop_address_space(tokens, first, tokens.opening(i), qualifiers.address_space);
      drop_address_space(tokens, i + 1, qualifiers.end, qualifiers.address_space);
    }
  }
  tokens.commit();
}

}  // namespace mslc
