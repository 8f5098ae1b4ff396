#include <elf.h>
#include <link.h>

#include "cache/build_id.h"

namespace mslc {

namespace {

struct BuildIdSearch {
  uintptr_t address;  // in the library that is looked for
  std::string build_id;
};

bool holds(const dl_phdr_info& library, uintptr_t address) {
  for (int i = 0; i < library.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = library.dlpi_phdr[i];
    const uintptr_t start = library.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address >= start && address < start + segment.p_memsz) return true;
  }
  return false;
}

std::string build_id_in_notes(const char* at, const char* end) {
  const auto padded = [](size_t size) { return (size + 3) & ~size_t{3}; };
  while (at + sizeof(ElfW(Nhdr)) <= end) {
    const auto& note = *reinterpret_cast<const ElfW(Nhdr)*>(at);
    const char* description = at + sizeof note + padded(note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID) return {description, note.n_descsz};
    at = description + padded(note.n_descsz);
  }
  return {};
}

int visit_library(dl_phdr_info* library, size_t, void* data) {
  auto& search = *static_cast<BuildIdSearch*>(data);
  if (!holds(*library, search.address)) return 0;
  for (int i = 0; i < library->dlpi_phnum && search.build_id.empty(); ++i) {
    const ElfW(Phdr)& segment = library->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const char* notes = reinterpret_cast<const char*>(library->dlpi_addr + segment.p_vaddr);
    search.build_id = build_id_in_notes(notes, notes + segment.p_memsz);
  }
  return 1;
}

}  // namespace

std::string build_id() {
  BuildIdSearch search{reinterpret_cast<uintptr_t>(&build_id), {}};
  dl_iterate_phdr(visit_library, &search);
  return search.build_id;
}

}  // namespace mslc
