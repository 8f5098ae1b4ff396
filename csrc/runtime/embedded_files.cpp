#include "runtime/embedded_files.h"

#include <algorithm>

extern const EmbeddedFile kernel_files[];
extern const size_t kernel_files_count;

namespace torch_metal {

const EmbeddedFile* find_embedded_file(std::string_view name) {
  const EmbeddedFile* const end = kernel_files + kernel_files_count;
  const auto* const found = std::lower_bound(
      kernel_files, end, name, [](const EmbeddedFile& file, std::string_view wanted) { return std::string_view(file.name) < wanted; });
  return found != end && std::string_view(found->name) == name ? found : nullptr;
}

}  // namespace torch_metal
