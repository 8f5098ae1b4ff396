#include "executor/object_loader.h"

#include <dlfcn.h>
#include <sys/mman.h>
#ifdef __APPLE__
#include <libkern/OSCacheControl.h>
#endif
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "executor/elf.h"
#include "executor/relocation.h"

namespace mslc {

namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("compiled kernel: " + what); }

size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

/// Checked views of the parts of a file.
class ElfFile {
 public:
  explicit ElfFile(std::string_view bytes) : bytes_(bytes), header_(at<elf::Header>(0)) {
    bool is_elf = std::memcmp(header_->ident, elf::kIdent, sizeof elf::kIdent) == 0;
    if (!is_elf || header_->type != elf::kRelocatable || header_->machine != kMachine)
      fail("not an object for this machine");
    sections_ = at<elf::Section>(header_->section_offset, header_->section_count);
  }

  size_t section_count() const { return header_->section_count; }
  const elf::Section& section(size_t i) const {
    if (i >= section_count()) fail("no section " + std::to_string(i));
    return sections_[i];
  }
  std::string section_name(const elf::Section& s) const { return string(section(header_->section_names), s.name); }
  std::string string(const elf::Section& table, size_t offset) const { return at<char>(table.offset + offset); }
  const std::byte* contents(const elf::Section& s) const { return at<std::byte>(s.offset, s.size); }

  template <class T>
  std::pair<const T*, size_t> array(const elf::Section& s) const {
    size_t count = s.size / sizeof(T);
    return {at<T>(s.offset, count), count};
  }

 private:
  template <class T>
  const T* at(size_t offset, size_t count = 1) const {
    if (offset > bytes_.size() || count * sizeof(T) > bytes_.size() - offset) fail("file is cut short");
    return reinterpret_cast<const T*>(bytes_.data() + offset);
  }

  std::string_view bytes_;
  const elf::Header* header_;
  const elf::Section* sections_ = nullptr;
};

/// What belongs into memory. Frames are never unwound.
bool is_loaded(const ElfFile& file, const elf::Section& section) {
  return (section.flags & elf::kAllocate) && section.size > 0 && file.section_name(section) != ".eh_frame";
}

/// Places sections, then jump stubs and a table of addresses for symbols from outside.
class Layout {
 public:
  explicit Layout(const ElfFile& file) : offsets_(file.section_count(), kNotLoaded) {
    for (size_t i = 0; i < file.section_count(); ++i) {
      const elf::Section& section = file.section(i);
      if (!is_loaded(file, section)) continue;
      bool is_constant = !(section.flags & elf::kWrite) || file.section_name(section).starts_with(".data.rel.ro");
      if (!is_constant) fail("variable data");
      size_ = round_up(size_, section.alignment);
      offsets_[i] = size_;
      size_ += section.size;
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

/// To instruction fetches, which on AArch64 do not look at what stores have left in the data cache.
void make_visible(std::byte* code, size_t bytes) {
#ifdef __APPLE__
  sys_icache_invalidate(code, bytes);
#else
  __builtin___clear_cache(reinterpret_cast<char*>(code), reinterpret_cast<char*>(code + bytes));
#endif
}

struct Symbol {
  std::byte* address = nullptr;
  bool is_external = false;
};

}  // namespace

LoadedObject::LoadedObject(std::string_view object, const std::map<std::string, void*>& symbols) {
  ElfFile file(object);
  Layout layout(file);
  const elf::Section* symbol_section = nullptr;
  for (size_t i = 0; i < file.section_count(); ++i)
    if (file.section(i).type == elf::kSymbolTable) symbol_section = &file.section(i);
  if (!symbol_section) fail("no symbols");
  auto [symbol_table, symbol_count] = file.array<elf::Symbol>(*symbol_section);
  size_t stubs = layout.append(symbol_count * kStubBytes);
  size_t addresses = layout.append(symbol_count * sizeof(void*));

  size_ = round_up(layout.size(), sysconf(_SC_PAGESIZE));
  void* mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) fail("no memory for code");
  memory_ = static_cast<std::byte*>(mapped);
  try {
    for (size_t i = 0; i < file.section_count(); ++i)
      if (layout.offset(i) != Layout::kNotLoaded && file.section(i).type != elf::kNoBits)
        std::memcpy(memory_ + layout.offset(i), file.contents(file.section(i)), file.section(i).size);

    std::vector<Symbol> resolved(symbol_count);
    for (size_t i = 1; i < symbol_count; ++i) {
      const elf::Symbol& symbol = symbol_table[i];
      std::string name = file.string(file.section(symbol_section->link), symbol.name);
      if (symbol.section == elf::kUndefined) {
        resolved[i] = {static_cast<std::byte*>(resolve(name, symbols)), true};
        write_stub(memory_ + stubs + i * kStubBytes, resolved[i].address);
      } else if (symbol.section < file.section_count() && layout.offset(symbol.section) != Layout::kNotLoaded) {
        resolved[i] = {memory_ + layout.offset(symbol.section) + symbol.value, false};
        if (elf::type_of(symbol) == elf::kFunction) functions_[name] = resolved[i].address;
      }
      std::memcpy(memory_ + addresses + i * sizeof(void*), &resolved[i].address, sizeof(void*));
    }

    for (size_t i = 0; i < file.section_count(); ++i) {
      const elf::Section& section = file.section(i);
      if (section.type != elf::kRelocations || section.info >= file.section_count() ||
          layout.offset(section.info) == Layout::kNotLoaded)
        continue;
      auto [relocations, count] = file.array<elf::Relocation>(section);
      for (size_t r = 0; r < count; ++r) {
        size_t index = elf::symbol_of(relocations[r]);
        if (index >= symbol_count || !resolved[index].address) fail("relocation without a symbol");
        RelocationTarget target;
        target.symbol = resolved[index].address;
        target.callable = resolved[index].is_external ? memory_ + stubs + index * kStubBytes : resolved[index].address;
        target.address_slot = memory_ + addresses + index * sizeof(void*);
        if (relocations[r].offset + 4 > file.section(section.info).size) fail("relocation out of its section");
        apply_relocation(elf::type_of(relocations[r]), memory_ + layout.offset(section.info) + relocations[r].offset,
                         target, relocations[r].addend);
      }
    }
    if (mprotect(memory_, size_, PROT_READ | PROT_EXEC) != 0) fail("memory cannot be made executable");
    make_visible(memory_, size_);
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
