#include "front/rewrites/operands.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

constexpr size_t npos = TokenBuffer::npos;

bool is_prefix_operator(tok::TokenKind kind) {
  switch (kind) {
    case tok::minus:
    case tok::plus:
    case tok::star:
    case tok::amp:
    case tok::tilde:
    case tok::exclaim:
    case tok::plusplus:
    case tok::minusminus: return true;
    default: return false;
  }
}

// `(type)` of a cast: what is in the parentheses, followed by an operand, cannot be a called expression.
bool is_nested_cast(const TokenBuffer& tokens, size_t open, size_t close) {
  const bool pointer = tokens.is(close - 1, tok::star) || tokens.is(close - 1, tok::amp);
  const bool word_follows = tokens.is_word(close + 1) || tokens[close + 1].isLiteral();
  return pointer || word_follows || (tokens.is(close + 1, tok::l_paren) && tokens[open + 1].isSimpleTypeSpecifier(tokens.preprocessor().getLangOpts()));
}

size_t primary_end(const TokenBuffer& tokens, size_t index) {
  if (tokens.is(index, tok::l_paren)) {
    const size_t close = tokens.closing(index);
    if (close == npos) return index;
    return is_nested_cast(tokens, index, close) ? operand_end(tokens, close + 1) : close + 1;
  }
  if (tokens.is(index, tok::coloncolon)) ++index;
  while (tokens.is_word(index) && tokens.is(index + 1, tok::coloncolon)) index += 2;
  return index + 1;
}

size_t postfix_end(const TokenBuffer& tokens, size_t index) {
  while (index < tokens.size()) {
    size_t next = npos;
    switch (tokens[index].getKind()) {
      case tok::l_paren:
      case tok::l_square:
      case tok::l_brace:
        next = tokens.closing(index);
        if (next == npos) return index;
        index = next + 1;
        break;
      case tok::period:
      case tok::arrow:
        index += tokens.is(index + 1, tok::kw_template) ? 3 : 2;
        break;
      case tok::coloncolon: index += 2; break;
      case tok::plusplus:
      case tok::minusminus: ++index; break;
      case tok::less:
        next = template_arguments_end(tokens, index);
        if (next == npos) return index;
        index = next;
        break;
      default: return index;
    }
  }
  return index;
}

bool is_comparison(tok::TokenKind kind) {
  switch (kind) {
    case tok::less:
    case tok::greater:
    case tok::lessequal:
    case tok::greaterequal:
    case tok::equalequal:
    case tok::exclaimequal: return true;
    default: return false;
  }
}

}  // namespace

size_t template_arguments_end(const TokenBuffer& tokens, size_t open) {
  const size_t close = tokens.closing(open);
  if (close == npos) return npos;
  // What a comparison or a list of declarations would hold.
  for (size_t i = open; i < close; ++i) {
    if (tokens[i].isOneOf(tok::ampamp, tok::pipepipe, tok::question, tok::equal)) return npos;
  }
  const bool applied = tokens.is(close + 1, tok::l_paren) || tokens.is(close + 1, tok::coloncolon) ||
                       tokens.is(close + 1, tok::l_brace);
  return applied ? close + 1 : npos;
}

bool yields_truth(const TokenBuffer& tokens, size_t first, size_t last) {
  while (tokens.is(first, tok::l_paren) && tokens.closing(first) == last - 1) ++first, --last;
  bool part = tokens.is(first, tok::exclaim), all = true, logical = false, less = false;
  size_t start = first;  // of the part between bitwise operators, each of which must be a truth
  for (size_t i = first; i < last; ++i) {
    switch (const tok::TokenKind kind = tokens[i].getKind()) {
      case tok::comma:
      case tok::equal:
      case tok::semi:
      case tok::question: return false;
      case tok::l_paren:
      case tok::l_square:
      case tok::l_brace:
        i = tokens.closing(i);
        if (i == npos || i >= last) return false;
        break;
      case tok::amp:
      case tok::pipe:
      case tok::caret:
        all &= part || (tokens.is(start, tok::l_paren) && yields_truth(tokens, start, i));
        start = i + 1;
        part = tokens.is(start, tok::exclaim);
        break;
      case tok::ampamp:
      case tok::pipepipe:
        logical = true;
        less = false;
        break;
      default:
        if (const size_t after = kind == tok::less ? template_arguments_end(tokens, i) : npos; after != npos) {
          i = after - 1;
        } else if (tokens.begins_shift(i)) {
          ++i;
        } else {
          if (kind == tok::greater && less) return false;  // a type with template arguments
          less |= kind == tok::less;
          part |= is_comparison(kind);
        }
    }
  }
  return logical || (all && (part || (start > first && tokens.is(start, tok::l_paren) && yields_truth(tokens, start, last))));
}

size_t operand_end(const TokenBuffer& tokens, size_t index) {
  while (is_prefix_operator(tokens[index].getKind()) || tokens.is(index, "sizeof")) ++index;
  return postfix_end(tokens, primary_end(tokens, index));
}

bool begins_operand(const TokenBuffer& tokens, size_t index) {
  const tok::TokenKind kind = tokens[index].getKind();
  return kind == tok::l_paren || kind == tok::coloncolon || is_prefix_operator(kind) || tokens.is_word(index) ||
         tokens[index].isLiteral();
}

}  // namespace mslc
