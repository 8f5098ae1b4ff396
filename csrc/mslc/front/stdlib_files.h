// The files of stdlib/, embedded at build time by tools/embed.py.
#pragma once

#include <cstddef>

struct EmbeddedFile {
  const char* name;
  const char* text;
  size_t size;
};

/// Where the compiler finds them.
inline constexpr char kStdlibPath[] = "/mslc/include";

extern const EmbeddedFile stdlib_files[];
extern const size_t stdlib_files_count;
