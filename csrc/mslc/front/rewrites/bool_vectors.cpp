#include <llvm/ADT/DenseSet.h>
#include <llvm/ADT/StringSet.h>

#include "front/rewrites/operands.h"
#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

constexpr size_t npos = TokenBuffer::npos;

bool is_vec_of_bool(const TokenBuffer& tokens, size_t index) {
  return tokens.is(index, "vec") && tokens.is(index + 1, tok::less) && tokens.is(index + 2, "bool");
}

// Index after the `bool4` or `vec<bool, N>` at `index`, npos if there is none.
size_t bool_vector_end(const TokenBuffer& tokens, size_t index) {
  if (tokens.is(index, "bool2") || tokens.is(index, "bool3") || tokens.is(index, "bool4")) return index + 1;
  const size_t close = is_vec_of_bool(tokens, index) ? tokens.closing(index + 1) : npos;
  return close == npos ? npos : close + 1;
}

// Index after the template arguments that begin at `index`, npos if none do.
size_t template_end(const TokenBuffer& tokens, size_t index) {
  return tokens.is(index, tok::less) ? template_arguments_end(tokens, index) : npos;
}

// Index of the `;` or `,` that ends the expression at `index`.
size_t expression_end(const TokenBuffer& tokens, size_t index) {
  for (; index < tokens.size() && !tokens.is(index, tok::semi) && !tokens.is(index, tok::comma); ++index) {
    if (tokens.is(index, tok::l_brace)) return npos;
    if (const size_t end = template_end(tokens, index); end != npos) {
      index = end - 1;
      continue;
    }
    if (tokens.is(index, tok::l_paren) || tokens.is(index, tok::l_square)) index = tokens.closing(index);
    if (index == npos) return npos;
  }
  return index;
}

// Makes what a comparison yields a bool or a vector of bool, if [first, last) is one. Parentheses round all of it are a
// group of their own.
void convert(TokenBuffer& tokens, size_t first, size_t last) {
  if (last == npos || last == first || !yields_truth(tokens, first, last)) return;
  if (tokens.is(first, tok::l_paren) && tokens.closing(first) == last - 1) return;
  tokens.insert(first, "::metal::__truth_of(");
  tokens.insert(last, ")");
}

void convert_expression(TokenBuffer& tokens, size_t first) { convert(tokens, first, expression_end(tokens, first)); }

// `bool4 f(...) {`: the returns in the body that begins at `open`.
void convert_returns(TokenBuffer& tokens, size_t open) {
  const size_t close = tokens.closing(open);
  for (size_t i = open; close != npos && i < close; ++i) {
    if (tokens.is(i, "return")) convert_expression(tokens, i + 1);
  }
}

// Whether the parentheses at `open` hold an expression or arguments whose truths matter as values: conditions of
// statements are scalars, and some functions take what a comparison yields as it is.
bool holds_values(const TokenBuffer& tokens, size_t open) {
  return !llvm::is_contained({"if", "constexpr", "while", "for", "switch", "any", "all", "select", "sizeof", "alignof", "decltype",
                              "static_assert", "__attribute__", "operator"},
                             tokens.word(open - 1));
}

// The expressions between the commas in the parentheses at `open`; none if a comma may stand in `<...>`.
void convert_group(TokenBuffer& tokens, size_t open) {
  const size_t close = tokens.closing(open);
  if (close == npos) return;
  llvm::SmallVector<std::pair<size_t, size_t>, 4> expressions;
  size_t first = open + 1, less = npos;
  for (size_t i = first; i <= close; ++i) {
    if (const size_t end = template_end(tokens, i); end != npos) {
      i = end - 1;
    } else if (i == close || tokens.is(i, tok::comma)) {
      expressions.emplace_back(first, i);
      first = i + 1;
    } else if (tokens.is(i, tok::less)) {
      less = first;
    } else if (tokens.is(i, tok::greater) && less != npos && less < first) {
      return;
    } else if (tokens.is(i, tok::l_paren) || tokens.is(i, tok::l_square) || tokens.is(i, tok::l_brace)) {
      i = tokens.closing(i);
      if (i == npos) return;
    }
  }
  for (const auto& [begin, end] : expressions) convert(tokens, begin, end);
}

}  // namespace

void rewrite_bool_vectors(TokenBuffer& tokens) {
  const std::vector<bool> in_body = function_bodies(tokens);
  llvm::StringSet<> names;
  llvm::DenseSet<size_t> declared;  // where names are declared: their initialisers are converted there
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (is_vec_of_bool(tokens, i)) tokens.replace(i + 2, "::metal::__truth");
    if (const size_t name = bool_vector_end(tokens, i); name != npos && tokens.is_identifier(name)) {
      names.insert(tokens.word(name));
      declared.insert(name);
      if (tokens.is(name + 1, tok::equal) && in_body[i]) convert_expression(tokens, name + 2);
      const size_t close = tokens.is(name + 1, tok::l_paren) ? tokens.closing(name + 1) : npos;
      if (close != npos && tokens.is(close + 1, tok::l_brace) && !in_body[i]) convert_returns(tokens, close + 1);
    } else if (tokens.is(i, "auto") && tokens.is_identifier(i + 1) && tokens.is(i + 2, tok::equal)) {
      convert_expression(tokens, i + 3);
    } else if (in_body[i] && tokens.is(i + 1, tok::equal) && names.contains(tokens.word(i)) &&
               !tokens.is(i - 1, tok::period) && !tokens.is(i - 1, tok::arrow) && !declared.contains(i)) {
      convert_expression(tokens, i + 2);
    } else if (in_body[i] && tokens.is(i, tok::l_paren) && holds_values(tokens, i)) {
      convert_group(tokens, i);
    }
  }
  tokens.commit();
}

}  // namespace mslc
