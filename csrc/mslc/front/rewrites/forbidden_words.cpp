#include "front/diagnostics.h"
#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

namespace {

bool is_forbidden(const TokenBuffer& tokens, size_t index) {
  switch (tokens[index].getKind()) {
    case tok::kw_delete: return !tokens.is(index - 1, tok::equal);  // `= delete`
    case tok::kw_double:
    case tok::kw_new:
    case tok::kw_virtual:
    case tok::kw_goto:
    case tok::kw_asm:
    case tok::kw___declspec:
    case tok::kw_throw:
    case tok::kw_try:
    case tok::kw_typeid:
    case tok::kw_dynamic_cast:
    case tok::kw_thread_local:
    case tok::kw_noexcept:
    case tok::kw_register: return true;
    default: return false;
  }
}

// `again: x = 1;`, told from `a ? b : c`, `case b:`, `public:` and bit-fields by what stands before the name.
bool is_label(const TokenBuffer& tokens, size_t index) {
  const bool starts_statement = tokens.is(index - 1, tok::semi) || tokens.is(index - 1, tok::l_brace) ||
                                tokens.is(index - 1, tok::r_brace) || tokens.is(index - 1, tok::r_paren);
  return starts_statement && tokens.is_identifier(index) && tokens.is(index + 1, tok::colon);
}

// A suffix of L is a long double's on a floating literal, the same as none elsewhere.
bool is_long_double(const std::string& literal) {
  const llvm::StringRef text = literal;
  const bool hexadecimal = text.starts_with_insensitive("0x");
  return text.ends_with_insensitive("l") && text.find_first_of(hexadecimal ? ".pP" : ".eE") != llvm::StringRef::npos;
}

}  // namespace

void reject_forbidden_words(const TokenBuffer& tokens) {
  const auto reject = [&](size_t index, const std::string& what) {
    report_error(tokens.preprocessor().getDiagnostics(), tokens.location(index), "%0 is not supported in Metal", what);
  };
  const std::vector<bool> in_body = function_bodies(tokens);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool next_is_word = tokens.is_word(i + 1);
    if (is_forbidden(tokens, i)) {
      reject(i, "'" + tokens.word(i).str() + "'");
    } else if (tokens.is(i, tok::kw_long) && tokens.is(i + 1, tok::kw_long)) {
      reject(i, "'long long'");
      ++i;
    } else if (in_body[i] && is_label(tokens, i)) {
      reject(i, "a label");
    } else if (tokens.is(i, tok::numeric_constant) && is_long_double(tokens.spelling(i))) {
      reject(i, "'long double'");
    } else if (!in_body[i] && next_is_word && (tokens.is(i, "vertex") || tokens.is(i, "fragment"))) {
      report_error(tokens.preprocessor().getDiagnostics(), tokens.location(i),
                   "a %0 function: this compiler has compute kernels alone", tokens.word(i));
    }
  }
}

}  // namespace mslc
