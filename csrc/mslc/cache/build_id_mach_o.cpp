#include <dlfcn.h>
#include <mach-o/loader.h>

#include "cache/build_id.h"

namespace mslc {

std::string build_id() {
  Dl_info library;
  if (!dladdr(reinterpret_cast<const void*>(&build_id), &library)) return {};
  const auto* const header = static_cast<const mach_header_64*>(library.dli_fbase);
  const char* at = reinterpret_cast<const char*>(header + 1);
  for (uint32_t i = 0; i < header->ncmds; ++i) {
    const auto* const command = reinterpret_cast<const load_command*>(at);
    if (command->cmd == LC_UUID) {
      const auto& uuid = reinterpret_cast<const uuid_command*>(at)->uuid;
      return {reinterpret_cast<const char*>(uuid), sizeof uuid};
    }
    at += command->cmdsize;
  }
  return {};
}

}  // namespace mslc
