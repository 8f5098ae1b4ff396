#include "front/llvm_text.h"

#include <llvm/Support/raw_ostream.h>

#include "front/translate.h"

namespace mslc {

std::string llvm_text(std::string_view source, const CompileOptions& options) {
  const Translation translation = translate(source, options, Recursion::Kept);
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (size_t i = 0; i < translation.kernels.size(); ++i)
    stream << "; kernel " << translation.kernels[i].name << " is @" << translation.kernel_functions[i] << "\n";
  translation.module->print(stream, nullptr);
  return text;
}

}  // namespace mslc
