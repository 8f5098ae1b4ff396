// newLibraryWithSource takes one text: what it includes has to be in it already.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace torch_metal {

/// `source`, with every #include expanded in place that names an embedded file ("c10/metal/utils.h") or one in a folder
/// of `include_directories`; quoted includes of files found there are looked for beside these first. Other includes are
/// the compiler's. Files with `#pragma once` appear once. `name` and line numbers stay what they are in diagnostics.
/// Throws c10::Error if files include each other without end.
std::string flatten_source(std::string_view source, std::string_view name,
                           const std::vector<std::string>& include_directories = {});

}  // namespace torch_metal
