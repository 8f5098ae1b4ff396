// The kernel sources and headers that travel inside the library; tools/embed.py writes the table.
#pragma once

#include <cstddef>
#include <string_view>

struct EmbeddedFile {
  const char* name;
  const char* text;
  size_t size;
};

namespace torch_metal {

/// The file called `name` ("unary.metal", "c10/metal/utils.h"), or nullptr.
const EmbeddedFile* find_embedded_file(std::string_view name);

}  // namespace torch_metal
