#include "front/llvm_text.h"

#include <llvm/Support/raw_ostream.h>

#include "front/translate.h"

namespace mslc {

std::string llvm_text(std::string_view source, const CompileOptions& options) {
  const Translation translation = translate(source, options);
  std::string text;
  llvm::raw_string_ostream stream(text);
  translation.module->print(stream, nullptr);
  return text;
}

}  // namespace mslc
