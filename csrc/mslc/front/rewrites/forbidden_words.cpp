#include "front/diagnostics.h"
#include "front/rewrites/rewrites.h"

namespace mslc {

namespace tok = clang::tok;

void reject_forbidden_words(const TokenBuffer& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    switch (tokens[i].getKind()) {
      case tok::kw_delete:
        if (tokens.is(i - 1, tok::equal)) break;  // `= delete`
        [[fallthrough]];
      case tok::kw_double:
      case tok::kw_new:
      case tok::kw_virtual:
      case tok::kw_goto:
      case tok::kw_asm:
      case tok::kw_throw:
      case tok::kw_try:
      case tok::kw_typeid:
      case tok::kw_dynamic_cast:
      case tok::kw_thread_local:
        report_error(tokens.preprocessor().getDiagnostics(), tokens.location(i), "'%0' is not supported in Metal",
                     tokens.word(i));
        break;
      default: break;
    }
  }
}

}  // namespace mslc
