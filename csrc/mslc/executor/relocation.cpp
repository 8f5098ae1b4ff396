#include "executor/relocation.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace mslc {

namespace {

uint64_t address_of(const std::byte* pointer) { return reinterpret_cast<uint64_t>(pointer); }

template <class T>
void write(std::byte* place, uint64_t value) {
  T narrow = static_cast<T>(value);
  std::memcpy(place, &narrow, sizeof narrow);
}

[[noreturn]] void fail_unknown(uint32_t type) {
  throw std::runtime_error("compiled kernel: unknown relocation " + std::to_string(type));
}

#if defined(__x86_64__)

void write_signed32(std::byte* place, uint64_t value) {
  auto distance = static_cast<int64_t>(value);
  if (distance != static_cast<int32_t>(distance)) throw std::runtime_error("compiled kernel: relocation out of range");
  write<int32_t>(place, value);
}

#else

uint32_t read32(const std::byte* place) {
  uint32_t value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

/// ADRP: the distance between pages, in two fields.
void write_page(std::byte* place, uint64_t value) {
  uint64_t pages = (value >> 12) - (address_of(place) >> 12);
  uint32_t instruction = read32(place) & 0x9f00001f;
  write<uint32_t>(place, instruction | ((pages & 3) << 29) | (((pages >> 2) & 0x7ffff) << 5));
}

/// The low 12 bits of an address, in units of an access.
void write_page_offset(std::byte* place, uint64_t value, unsigned shift) {
  uint32_t instruction = read32(place) & ~(0xfffu << 10);
  write<uint32_t>(place, instruction | (((value & 0xfff) >> shift) << 10));
}

void write_branch(std::byte* place, uint64_t value) {
  uint64_t words = (value - address_of(place)) >> 2;
  write<uint32_t>(place, (read32(place) & 0xfc000000) | (words & 0x3ffffff));
}

#endif

}  // namespace

#if defined(__x86_64__)

void write_stub(std::byte* stub, const void* destination) {
  const unsigned char jump[6] = {0xff, 0x25, 0, 0, 0, 0};  // jmp *0(%rip)
  std::memcpy(stub, jump, sizeof jump);
  std::memcpy(stub + sizeof jump, &destination, sizeof destination);
}

void apply_relocation(uint32_t type, std::byte* place, const RelocationTarget& target, int64_t addend) {
  uint64_t here = address_of(place);
  using namespace elf;
  switch (type) {
    case R_X86_64_64: return write<uint64_t>(place, address_of(target.symbol) + addend);
    case R_X86_64_PC64: return write<uint64_t>(place, address_of(target.symbol) + addend - here);
    case R_X86_64_PC32: return write_signed32(place, address_of(target.symbol) + addend - here);
    case R_X86_64_PLT32: return write_signed32(place, address_of(target.callable) + addend - here);
    case R_X86_64_GOTPCREL:
    case R_X86_64_GOTPCRELX:
    case R_X86_64_REX_GOTPCRELX: return write_signed32(place, address_of(target.address_slot) + addend - here);
    default: fail_unknown(type);
  }
}

#else

void write_stub(std::byte* stub, const void* destination) {
  const uint32_t jump[2] = {0x58000050, 0xd61f0200};  // ldr x16, 8; br x16
  std::memcpy(stub, jump, sizeof jump);
  std::memcpy(stub + sizeof jump, &destination, sizeof destination);
}

void apply_relocation(uint32_t type, std::byte* place, const RelocationTarget& target, int64_t addend) {
  uint64_t value = address_of(target.symbol) + addend, slot = address_of(target.address_slot) + addend;
  using namespace elf;
  switch (type) {
    case R_AARCH64_ABS64: return write<uint64_t>(place, value);
    case R_AARCH64_PREL64: return write<uint64_t>(place, value - address_of(place));
    case R_AARCH64_PREL32: return write<uint32_t>(place, value - address_of(place));
    case R_AARCH64_ADR_PREL_PG_HI21: return write_page(place, value);
    case R_AARCH64_ADD_ABS_LO12_NC:
    case R_AARCH64_LDST8_ABS_LO12_NC: return write_page_offset(place, value, 0);
    case R_AARCH64_LDST16_ABS_LO12_NC: return write_page_offset(place, value, 1);
    case R_AARCH64_LDST32_ABS_LO12_NC: return write_page_offset(place, value, 2);
    case R_AARCH64_LDST64_ABS_LO12_NC: return write_page_offset(place, value, 3);
    case R_AARCH64_LDST128_ABS_LO12_NC: return write_page_offset(place, value, 4);
    case R_AARCH64_CALL26:
    case R_AARCH64_JUMP26: return write_branch(place, address_of(target.callable) + addend);
    case R_AARCH64_ADR_GOT_PAGE: return write_page(place, slot);
    case R_AARCH64_LD64_GOT_LO12_NC: return write_page_offset(place, slot, 3);
    default: fail_unknown(type);
  }
}

#endif

}  // namespace mslc
