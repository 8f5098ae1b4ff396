#include "front/checks/written_spaces.h"

#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

bool is_declarator_operator(const TokenBuffer& tokens, size_t index) {
  return tokens.is(index, tok::star) || tokens.is(index, tok::amp) || tokens.is(index, tok::ampamp);
}

bool is_qualifier(const TokenBuffer& tokens, size_t index) {
  return tokens.is(index, "const") || tokens.is(index, "volatile") || tokens.is(index, "restrict");
}

bool ends_declaration(const TokenBuffer& tokens, size_t index) {
  switch (tokens[index].getKind()) {
    case tok::semi:
    case tok::l_brace:
    case tok::r_brace:
    case tok::l_paren:
    case tok::r_paren:
    case tok::less:
    case tok::comma:
    case tok::equal: return true;
    default: return false;
  }
}

// Whether an address space is named between the start of the declaration and the declarator's operator at `index`.
bool names_space(const TokenBuffer& tokens, size_t index) {
  bool in_list =
      false;  // past the comma of `thread float *a = x, *b`: all up to the statement's start is one declaration
  for (size_t i = index; i != TokenBuffer::npos; --i) {
    if (is_address_space(tokens, i)) return true;
    if (tokens.is(i, tok::greater) || (in_list && tokens.is(i, tok::r_paren))) {
      i = tokens.opening(i);
      if (i == TokenBuffer::npos) return false;
      continue;
    }
    if (!ends_declaration(tokens, i)) continue;
    const bool before_operator = is_declarator_operator(tokens, i + 1);
    in_list |= before_operator && tokens.is(i, tok::comma);
    const bool parenthesised = before_operator && tokens.is(i, tok::l_paren);  // `thread float (&a)[4]`
    const bool passed = in_list && (tokens.is(i, tok::comma) || tokens.is(i, tok::equal));
    if (!parenthesised && !passed) return false;
  }
  return false;
}

}  // namespace

void WrittenSpaces::record(const TokenBuffer& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!is_declarator_operator(tokens, i)) continue;
    size_t name = i + 1;
    while (is_qualifier(tokens, name)) ++name;
    if (name < tokens.size() && !names_space(tokens, i)) bare_.insert(tokens.location(name));
  }
}

}  // namespace mslc
