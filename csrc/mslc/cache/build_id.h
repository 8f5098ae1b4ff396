// What tells one build of this library from another.
#pragma once

#include <string>

namespace mslc {

/// The bytes that the linker has made of all that it linked; empty if it has not. Of ELF: the note of --build-id; of
/// Mach-O: LC_UUID.
std::string build_id();

}  // namespace mslc
