#include <llvm/ADT/StringSet.h>

#include "front/rewrites/operands.h"
#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

constexpr size_t npos = TokenBuffer::npos;

bool is_bool_vector(const TokenBuffer& tokens, size_t index) {
  return tokens.is(index, "bool2") || tokens.is(index, "bool3") || tokens.is(index, "bool4");
}

// Index of the `;` or `,` that ends the expression at `index`.
size_t expression_end(const TokenBuffer& tokens, size_t index) {
  for (; index < tokens.size() && !tokens.is(index, tok::semi) && !tokens.is(index, tok::comma); ++index) {
    if (tokens.is(index, tok::l_brace)) return npos;
    if (tokens.is(index, tok::l_paren) || tokens.is(index, tok::l_square)) index = tokens.closing(index);
    if (index == npos) return npos;
  }
  return index;
}

// Makes the truth that begins at `index` a value of `type`.
void convert(TokenBuffer& tokens, size_t index, const std::string& type) {
  const size_t end = expression_end(tokens, index);
  if (end == npos || !yields_truth(tokens, index, end)) return;
  tokens.insert(index, "::metal::__construct<" + type + ">(");
  tokens.insert(end, ")");
}

// `bool4 f(...) {`: the returns in the body that begins at `open`.
void convert_returns(TokenBuffer& tokens, size_t open, const std::string& type) {
  const size_t close = tokens.closing(open);
  for (size_t i = open; close != npos && i < close; ++i) {
    if (tokens.is(i, "return")) convert(tokens, i + 1, type);
  }
}

}  // namespace

void rewrite_bool_vectors(TokenBuffer& tokens) {
  const std::vector<bool> in_body = function_bodies(tokens);
  llvm::StringSet<> names;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens.is(i, "vec") && tokens.is(i + 1, tok::less) && tokens.is(i + 2, "bool")) {
      tokens.replace(i + 2, "::metal::__truth");
    } else if (is_bool_vector(tokens, i) && tokens.is_identifier(i + 1)) {
      const std::string type = tokens.spelling(i);
      if (tokens.is(i + 2, tok::equal) && in_body[i]) convert(tokens, i + 3, type);
      names.insert(tokens.word(i + 1));
      const size_t close = tokens.is(i + 2, tok::l_paren) ? tokens.closing(i + 2) : npos;
      if (close != npos && tokens.is(close + 1, tok::l_brace) && !in_body[i]) convert_returns(tokens, close + 1, type);
    } else if (in_body[i] && tokens.is(i + 1, tok::equal) && names.contains(tokens.word(i)) &&
               !tokens.is(i - 1, tok::period) && !tokens.is(i - 1, tok::arrow) && !is_bool_vector(tokens, i - 1)) {
      // The name may stand for something else here: the type is that of what it stands for.
      const std::string name = tokens.word(i).str();
      if (tokens.is(i - 1, tok::semi) || tokens.is(i - 1, tok::l_brace) || tokens.is(i - 1, tok::r_brace) ||
          tokens.is(i - 1, tok::r_paren)) {
        convert(tokens, i + 2, "decltype(" + name + ")");
      }
    }
  }
  tokens.commit();
}

}  // namespace mslc
