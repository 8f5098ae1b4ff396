// A translation as it lies in the cache.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "front/dependencies.h"
#include "front/translate.h"

namespace mslc {

/// What Library keeps of a Translation: reading it back needs no clang, and no LLVM until code is generated.
struct TranslatedSource {
  std::vector<KernelInfo> kernels;
  std::vector<std::string> kernel_functions;
  std::vector<FunctionConstant> constants;
  std::vector<Dependency> dependencies;
  std::string bitcode;
};

TranslatedSource to_source(const Translation& translation);

/// Throws std::runtime_error if the bytes are not a TranslatedSource.
std::string serialise(const TranslatedSource& source);
TranslatedSource deserialise_source(std::string_view bytes);

}  // namespace mslc
