#include <llvm/ADT/StringSet.h>

#include "front/rewrites/operands.h"
#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

constexpr size_t npos = TokenBuffer::npos;

// Names that may stand for a vector (or for half and bfloat, which do not convert to each other in clang).
class VectorNames {
 public:
  explicit VectorNames(const TokenBuffer& tokens) : tokens_(tokens) {
    for (const char* scalar : {"bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half",
                               "float", "bfloat"}) {
      for (const char* size : {"2", "3", "4"}) {
        names_.insert(std::string(scalar) + size);
        if (*size != '3') names_.insert("packed_" + std::string(scalar) + size);  // packed_T3 is a struct
      }
    }
    names_.insert("half");
    names_.insert("bfloat");
    for (size_t i = 0; i < tokens.size(); ++i) collect(i);
  }

  /// Index after the type name at `index`, npos if no vector can be meant there.
  size_t type_end(size_t index) const {
    const bool is_vec = tokens_.is(index, "vec");
    if (!is_vec && !names_.contains(tokens_.word(index))) return npos;
    if (!tokens_.is(index + 1, tok::less)) return is_vec ? npos : index + 1;
    const size_t close = tokens_.closing(index + 1);
    return close == npos ? npos : close + 1;
  }

 private:
  // Template type parameters, `using X = ...`, and typedefs of vectors or of a single name.
  void collect(size_t i) {
    const llvm::StringRef word = tokens_.word(i);
    if (word == "using" && tokens_.is_identifier(i + 1) && tokens_.is(i + 2, tok::equal)) {
      if (!tokens_.is(i + 3, "decltype")) names_.insert(tokens_.word(i + 1));
    } else if (word == "typename" || word == "class") {
      const bool parameter = tokens_.is(i - 1, tok::less) || tokens_.is(i - 1, tok::comma);
      const bool ends = tokens_.is(i + 2, tok::comma) || tokens_.is(i + 2, tok::greater) || tokens_.is(i + 2, tok::equal);
      if (parameter && ends && tokens_.is_identifier(i + 1)) names_.insert(tokens_.word(i + 1));
    } else if (word == "typedef") {
      collect_typedef(i);
    }
  }

  void collect_typedef(size_t i) {
    size_t end = i;
    bool vector = false;
    for (; end < tokens_.size() && !tokens_.is(end, tok::semi) && !tokens_.is(end, tok::l_brace); ++end) {
      vector |= tokens_.is(end, "vec") || names_.contains(tokens_.word(end));
    }
    if (tokens_.is(end, tok::semi) && tokens_.is_identifier(end - 1) && !tokens_.is(end - 2, tok::star) &&
        (vector || end - i <= 4)) {
      names_.insert(tokens_.word(end - 1));
    }
  }

  const TokenBuffer& tokens_;
  llvm::StringSet<> names_;
};

// Index of the first token of the qualified name that ends with the name at `index`.
size_t qualified_start(const TokenBuffer& tokens, size_t index) {
  while (index > 0 && tokens.is(index - 1, tok::coloncolon)) {
    if (index > 1 && tokens.is(index - 2, tok::greater)) {
      const size_t open = tokens.opening(index - 2);
      if (open == npos || open == 0) break;
      index = open - 1;
    } else if (index > 1 && tokens.is_identifier(index - 2)) {
      index -= 2;
    } else {
      index -= 1;
      break;
    }
  }
  return index > 0 && tokens.is(index - 1, "typename") ? index - 1 : index;
}

// Whether a word before a type leaves room for an expression: `return float4(x)`, but not `float4 float4(x)`.
bool precedes_expression(const TokenBuffer& tokens, size_t index) {
  return !tokens.is_word(index) || llvm::is_contained({"return", "else", "case", "do"}, tokens.word(index));
}

// `T(` that begins the type of a function or a pointer to one.
bool begins_function_type(const TokenBuffer& tokens, size_t open) {
  if (is_address_space(tokens, open + 1) || tokens.is(open + 1, "const")) return true;
  if (!tokens.is(open + 1, tok::star) && !tokens.is(open + 1, tok::amp)) return false;
  return tokens.is(open + 2, tok::r_paren) || tokens.is(open + 2, "const") ||
         (tokens.is_identifier(open + 2) && tokens.is(open + 3, tok::r_paren) &&
          (tokens.is(open + 4, tok::l_paren) || tokens.is(open + 4, tok::l_square)));
}

// `(float4)x`; `f(T)`, `sizeof(T)` and `sizeof...(T)` are none.
bool is_cast(const TokenBuffer& tokens, size_t start, size_t end) {
  if (start == 0 || !tokens.is(start - 1, tok::l_paren) || !tokens.is(end, tok::r_paren)) return false;
  const size_t before = start - 2;
  const bool called = start > 1 && (tokens.is(before, tok::r_paren) || tokens.is(before, tok::r_square) ||
                                    tokens.is(before, tok::greater) || tokens.is(before, tok::ellipsis) ||
                                    !precedes_expression(tokens, before));
  return !called && begins_operand(tokens, end + 1);
}

// `float4 v(a, b);` in a function: a name and a parenthesis with expressions.
bool is_declaration(const TokenBuffer& tokens, size_t end) {
  if (!tokens.is_identifier(end) || !tokens.is(end + 1, tok::l_paren)) return false;
  const size_t close = tokens.closing(end + 1);
  return close != npos && close > end + 2 && (tokens.is(close + 1, tok::semi) || tokens.is(close + 1, tok::comma));
}

void rewrite_static_cast(TokenBuffer& tokens, const VectorNames& names, size_t index) {
  const size_t close = tokens.closing(index + 1);
  if (close == npos) return;
  size_t name = index + 2;
  while (tokens.is(name, "typename") || (tokens.is_identifier(name) && tokens.is(name + 1, tok::coloncolon))) {
    name += tokens.is(name, "typename") ? 1 : 2;
  }
  if (names.type_end(name) != close) return;
  tokens.replace(index, "::metal::__construct");
}

}  // namespace

void rewrite_vectors(TokenBuffer& tokens) {
  const VectorNames names(tokens);
  const std::vector<bool> in_body = function_bodies(tokens);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens.is(i, "static_cast") && tokens.is(i + 1, tok::less)) rewrite_static_cast(tokens, names, i);
    const size_t end = names.type_end(i);
    if (end == npos) continue;
    const size_t start = qualified_start(tokens, i);
    if (is_cast(tokens, start, end)) {
      const size_t last = operand_end(tokens, end + 1);
      const bool truth = tokens.is(end + 1, tok::exclaim);
      tokens.replace(start - 1, "::metal::__construct<");
      tokens.replace(end, truth ? ">(::metal::__truth_of(" : ">(");
      tokens.insert(last, truth ? "))" : ")");
    } else if (in_body[i] && is_declaration(tokens, end)) {
      if (start == 0 || precedes_expression(tokens, start - 1) || tokens.is(start - 1, "const") ||
          tokens.is(start - 1, "constexpr") || tokens.is(start - 1, "thread")) {
        tokens.insert(end + 1, "= ::metal::__construct<" + tokens.spelling(start, end) + ">");
      }
    } else if (tokens.is(end, tok::l_paren) && !begins_function_type(tokens, end) &&
               (start == 0 || precedes_expression(tokens, start - 1))) {
      tokens.insert(start, "::metal::__construct<");
      tokens.insert(end, ">");
    }
  }
  tokens.commit();
}

}  // namespace mslc
