// What is used here of ELF, 64 bits, little endian. macOS has no <elf.h>, and code is ELF there too: nothing but this
// executor reads it. Layouts and numbers: System V ABI, chapters 4 and 5; ELF for the x86-64 and the Arm 64-bit
// Architecture, tables of relocations.
#pragma once

#include <cstdint>

namespace mslc::elf {

struct Header {
  unsigned char ident[16];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, program_offset, section_offset;
  uint32_t flags;
  uint16_t header_size, program_size, program_count, section_size, section_count, section_names;
};
static_assert(sizeof(Header) == 64);

inline constexpr unsigned char kIdent[5] = {0x7f, 'E', 'L', 'F', /*64 bits*/ 2};  // how `ident` begins
inline constexpr uint16_t kRelocatable = 1;                                      // Header::type
inline constexpr uint16_t kX86_64 = 62, kAarch64 = 183;                          // Header::machine

struct Section {
  uint32_t name, type;
  uint64_t flags, address, offset, size;
  uint32_t link, info;
  uint64_t alignment, entry_size;
};
static_assert(sizeof(Section) == 64);

inline constexpr uint32_t kSymbolTable = 2, kRelocations = 4, kNoBits = 8;  // Section::type
inline constexpr uint64_t kWrite = 1, kAllocate = 2;                        // Section::flags

struct Symbol {
  uint32_t name;
  unsigned char info, other;
  uint16_t section;
  uint64_t value, size;
};
static_assert(sizeof(Symbol) == 24);

inline constexpr uint16_t kUndefined = 0;  // Symbol::section
inline constexpr unsigned kFunction = 2;
constexpr unsigned type_of(const Symbol& symbol) { return symbol.info & 0xf; }

struct Relocation {
  uint64_t offset, info;
  int64_t addend;
};
static_assert(sizeof(Relocation) == 24);

constexpr uint64_t symbol_of(const Relocation& relocation) { return relocation.info >> 32; }
constexpr uint32_t type_of(const Relocation& relocation) { return static_cast<uint32_t>(relocation.info); }

enum X86Relocation : uint32_t {
  R_X86_64_64 = 1,
  R_X86_64_PC32 = 2,
  R_X86_64_PLT32 = 4,
  R_X86_64_GOTPCREL = 9,
  R_X86_64_PC64 = 24,
  R_X86_64_GOTPCRELX = 41,
  R_X86_64_REX_GOTPCRELX = 42,
};

enum Aarch64Relocation : uint32_t {
  R_AARCH64_ABS64 = 257,
  R_AARCH64_PREL64 = 260,
  R_AARCH64_PREL32 = 261,
  R_AARCH64_ADR_PREL_PG_HI21 = 275,
  R_AARCH64_ADD_ABS_LO12_NC = 277,
  R_AARCH64_LDST8_ABS_LO12_NC = 278,
  R_AARCH64_JUMP26 = 282,
  R_AARCH64_CALL26 = 283,
  R_AARCH64_LDST16_ABS_LO12_NC = 284,
  R_AARCH64_LDST32_ABS_LO12_NC = 285,
  R_AARCH64_LDST64_ABS_LO12_NC = 286,
  R_AARCH64_LDST128_ABS_LO12_NC = 299,
  R_AARCH64_ADR_GOT_PAGE = 311,
  R_AARCH64_LD64_GOT_LO12_NC = 312,
};

}  // namespace mslc::elf
