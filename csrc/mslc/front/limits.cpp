#include "front/limits.h"

#include "front/diagnostics.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

constexpr size_t kMaxStatementTokens = 100'000;
constexpr size_t kMaxNestedStatements = 1'000;

bool begins_nested_statement(tok::TokenKind kind) {
  return kind == tok::kw_if || kind == tok::kw_for || kind == tok::kw_while || kind == tok::kw_do ||
         kind == tok::question;
}

/// One level of braces.
struct Level {
  bool is_list = false;  // of initialisers
  size_t parentheses = 0;
  size_t tokens = 0;  // of the statement, or of the element of a list, so far
  size_t nested = 0;  // statements and conditional expressions that began in it
};

}  // namespace

void reject_excesses(const TokenBuffer& tokens) {
  std::vector<Level> levels(1);
  const auto reject = [&](size_t index, const std::string& what) {
    report_error(tokens.preprocessor().getDiagnostics(), tokens.location(index), "%0", what);
  };
  for (size_t i = 0; i < tokens.size(); ++i) {
    const tok::TokenKind kind = tokens[i].getKind();
    Level& level = levels.back();
    if (++level.tokens > kMaxStatementTokens)
      return reject(i, "a statement of more than " + std::to_string(kMaxStatementTokens) + " tokens");
    level.nested += begins_nested_statement(kind);
    if (level.nested > kMaxNestedStatements)
      return reject(i, "more than " + std::to_string(kMaxNestedStatements) + " statements nested without braces");
    bool ends = false;
    if (kind == tok::l_paren) ++level.parentheses;
    if (kind == tok::r_paren && level.parentheses > 0) --level.parentheses;
    if (kind == tok::l_brace) {
      const bool is_list = level.is_list || tokens.is(i - 1, tok::equal) || tokens.is(i - 1, tok::comma);
      levels.push_back({is_list});
    }
    if (kind == tok::r_brace) {
      if (levels.size() > 1) levels.pop_back();
      ends = true;
    }
    // Not in `for (;;)`. Outside of lists, `a, b` nests as other operators do.
    ends |= kind == tok::semi || (kind == tok::comma && levels.back().is_list);
    Level& now = levels.back();
    if (ends && now.parentheses == 0 && !tokens.is(i + 1, tok::kw_else)) now = {now.is_list};
  }
}

}  // namespace mslc
