#include "executor/object_loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "executor/relocation.h"

namespace mslc {

namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("compiled kernel: " + what); }

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

/// Checked views of the parts of a file.
class ElfFile {
 public:
  explicit ElfFile(std::string_view bytes) : bytes_(bytes), header_(at<Elf64_Ehdr>(0)) {
    bool is_elf = std::memcmp(header_->e_ident, ELFMAG, SELFMAG) == 0 && header_->e_ident[EI_CLASS] == ELFCLASS64;
    if (!is_elf || header_->e_type != ET_REL || header_->e_machine != kMachine) fail("not an object for this machine");
    sections_ = at<Elf64_Shdr>(header_->e_shoff, header_->e_shnum);
  }

  size_t section_count() const { return header_->e_shnum; }
  const Elf64_Shdr& section(size_t i) const {
    if (i >= section_count()) fail("no section " + std::to_string(i));
    return sections_[i];
  }
  std::string section_name(const Elf64_Shdr& s) const { return string(section(header_->e_shstrndx), s.sh_name); }
  std::string string(const Elf64_Shdr& table, size_t offset) const { return at<char>(table.sh_offset + offset); }
  const std::byte* contents(const Elf64_Shdr& s) const { return at<std::byte>(s.sh_offset, s.sh_size); }

  template <class T>
  std::pair<const T*, size_t> array(const Elf64_Shdr& s) const {
    size_t count = s.sh_size / sizeof(T);
    return {at<T>(s.sh_offset, count), count};
  }

 private:
  template <class T>
  const T* at(size_t offset, size_t count = 1) const {
    if (offset > bytes_.size() || count * sizeof(T) > bytes_.size() - offset) fail("file is cut short");
    return reinterpret_cast<const T*>(bytes_.data() + offset);
  }

  std::string_view bytes_;
  const Elf64_Ehdr* header_;
  const Elf64_Shdr* sections_ = nullptr;
};

/// What belongs into memory. Frames are never unwound.
bool is_loaded(const ElfFile& file, const Elf64_Shdr& section) {
  return (section.sh_flags & SHF_ALLOC) && section.sh_size > 0 && file.section_name(section) != ".eh_frame";
}

/// Places sections, then jump stubs and a table of addresses for symbols from outside.
class Layout {
 public:
  explicit Layout(const ElfFile& file) : offsets_(file.section_count(), kNotLoaded) {
    for (size_t i = 0; i < file.section_count(); ++i) {
      const Elf64_Shdr& section = file.section(i);
      if (!is_loaded(file, section)) continue;
      bool is_constant = !(section.sh_flags & SHF_WRITE) || file.section_name(section).starts_with(".data.rel.ro");
      if (!is_constant) fail("variable data");
      size_ = round_up(size_, section.sh_addralign);
      offsets_[i] = size_;
      size_ += section.sh_size;
    }
  }

  static constexpr size_t kNotLoaded = SIZE_MAX;
  size_t offset(size_t section) const { return offsets_.at(section); }
  size_t size() const { return size_; }
  size_t append(size_t bytes) {
    size_t start = round_up(size_, 16);
    size_ = start + bytes;
    return start;
  }

 private:
  std::vector<size_t> offsets_;
  size_t size_ = 0;
};

void* resolve(const std::string& name, const std::map<std::string, void*>& symbols) {
  if (auto known = symbols.find(name); known != symbols.end()) return known->second;
  void* address = dlsym(RTLD_DEFAULT, name.c_str());
  if (!address) fail("unknown function '" + name + "'");
  return address;
}

struct Symbol {
  std::byte* address = nullptr;
  bool is_external = false;
};

}  // namespace

LoadedObject::LoadedObject(std::string_view object, const std::map<std::string, void*>& symbols) {
  ElfFile file(object);
  Layout layout(file);
  const Elf64_Shdr* symbol_section = nullptr;
  for (size_t i = 0; i < file.section_count(); ++i)
    if (file.section(i).sh_type == SHT_SYMTAB) symbol_section = &file.section(i);
  if (!symbol_section) fail("no symbols");
  auto [symbol_table, symbol_count] = file.array<Elf64_Sym>(*symbol_section);
  size_t stubs = layout.append(symbol_count * kStubBytes);
  size_t addresses = layout.append(symbol_count * sizeof(void*));

  size_ = round_up(layout.size(), sysconf(_SC_PAGESIZE));
  void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) fail("no memory for code");
  memory_ = static_cast<std::byte*>(mapped);
  try {
    for (size_t i = 0; i < file.section_count(); ++i)
      if (layout.offset(i) != Layout::kNotLoaded && file.section(i).sh_type != SHT_NOBITS)
        std::memcpy(memory_ + layout.offset(i), file.contents(file.section(i)), file.section(i).sh_size);

    std::vector<Symbol> resolved(symbol_count);
    for (size_t i = 1; i < symbol_count; ++i) {
      const Elf64_Sym& symbol = symbol_table[i];
      std::string name = file.string(file.section(symbol_section->sh_link), symbol.st_name);
      if (symbol.st_shndx == SHN_UNDEF) {
        resolved[i] = {static_cast<std::byte*>(resolve(name, symbols)), true};
        write_stub(memory_ + stubs + i * kStubBytes, resolved[i].address);
      } else if (symbol.st_shndx < file.section_count() && layout.offset(symbol.st_shndx) != Layout::kNotLoaded) {
        resolved[i] = {memory_ + layout.offset(symbol.st_shndx) + symbol.st_value, false};
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) functions_[name] = resolved[i].address;
      }
      std::memcpy(memory_ + addresses + i * sizeof(void*), &resolved[i].address, sizeof(void*));
    }

    for (size_t i = 0; i < file.section_count(); ++i) {
      const Elf64_Shdr& section = file.section(i);
      if (section.sh_type != SHT_RELA || section.sh_info >= file.section_count() ||
          layout.offset(section.sh_info) == Layout::kNotLoaded)
        continue;
      auto [relocations, count] = file.array<Elf64_Rela>(section);
      for (size_t r = 0; r < count; ++r) {
        size_t index = ELF64_R_SYM(relocations[r].r_info);
        if (index >= symbol_count || !resolved[index].address) fail("relocation without a symbol");
        RelocationTarget target;
        target.symbol = resolved[index].address;
        target.callable = resolved[index].is_external ? memory_ + stubs + index * kStubBytes : resolved[index].address;
        target.address_slot = memory_ + addresses + index * sizeof(void*);
        if (relocations[r].r_offset + 4 > file.section(section.sh_info).sh_size) fail("relocation out of its section");
        apply_relocation(ELF64_R_TYPE(relocations[r].r_info), memory_ + layout.offset(section.sh_info) + relocations[r].r_offset,
                         target, relocations[r].r_addend);
      }
    }
    if (mprotect(memory_, size_, PROT_READ | PROT_EXEC) != 0) fail("memory cannot be made executable");
    __builtin___clear_cache(reinterpret_cast<char*>(memory_), reinterpret_cast<char*>(memory_ + size_));
  } catch (...) {
    munmap(memory_, size_);
    throw;
  }
}

LoadedObject::~LoadedObject() { munmap(memory_, size_); }

void* LoadedObject::find(const std::string& name) const {
  auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : found->second;
}

}  // namespace mslc
