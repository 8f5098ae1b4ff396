#include <llvm/ADT/APFloat.h>
#include <llvm/ADT/StringExtras.h>

#include "front/rewrites/rewrites.h"

namespace mslc {

namespace {

bool is_hexadecimal(llvm::StringRef text) { return text.starts_with_insensitive("0x"); }

bool is_unsuffixed_float(llvm::StringRef text) {
  const bool floating = text.find_first_of(is_hexadecimal(text) ? "pP" : ".eE") != llvm::StringRef::npos;
  return floating && (text.back() == '.' || llvm::isDigit(text.back()));
}

// `digits` rounded once to the type's precision, then cast: rounding to float first could round twice.
std::string cast_literal(llvm::StringRef digits, const llvm::fltSemantics& semantics, llvm::StringRef type) {
  llvm::APFloat value(semantics);
  if (llvm::Error error = value.convertFromString(digits, llvm::APFloat::rmNearestTiesToEven).takeError()) {
    llvm::consumeError(std::move(error));
    return {};
  }
  char hexadecimal[64];
  value.convertToHexString(hexadecimal, 0, false, llvm::APFloat::rmNearestTiesToEven);
  const std::string number = value.isInfinity() ? "__builtin_inff()" : hexadecimal + std::string("f");
  return "((" + type.str() + ")" + number + ")";
}

}  // namespace

void rewrite_literals(TokenBuffer& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens.is(i, clang::tok::numeric_constant)) continue;
    const std::string spelling = tokens.spelling(i);
    const llvm::StringRef text = spelling;
    std::string replacement;
    if (is_unsuffixed_float(text)) {
      replacement = spelling + "f";
    } else if (text.ends_with_insensitive("h")) {
      replacement = cast_literal(text.drop_back(1), llvm::APFloat::IEEEhalf(), "half");
    } else if (!is_hexadecimal(text) && text.ends_with_insensitive("bf")) {
      replacement = cast_literal(text.drop_back(2), llvm::APFloat::BFloat(), "__bf16");
    }
    if (!replacement.empty()) tokens.replace(i, replacement);
  }
  tokens.commit();
}

}  // namespace mslc
