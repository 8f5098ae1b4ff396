// Who accessed each piece of memory last: what data races and reads of uninitialised memory are found by.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace mslc {

/// An access by one thread. Accesses of different groups are ordered by fences alone; those of one group also by
/// barriers, which separate its epochs; those of one SIMD-group, whose threads run in lockstep, always.
struct Access {
  uint32_t group = 0;
  uint32_t epoch = 0;
  uint32_t site = 0;
  uint8_t simdgroup = 0;
  uint8_t lane = 0;
  uint16_t fences = 0;  // that its SIMD-group had come to
  bool is_valid = false;
  bool is_atomic = false;
  // This is one of several accesses that nothing orders: by threads of several groups; of several SIMD-groups.
  bool by_groups = false;
  bool by_simdgroups = false;

  /// Whether nothing orders this earlier access and `later`, and not both are atomic.
  bool races_with(const Access& later) const {
    if (!is_valid || (is_atomic && later.is_atomic)) return false;
    if (group != later.group || by_groups) return true;
    return epoch == later.epoch && (simdgroup != later.simdgroup || by_simdgroups);
  }

  /// Takes `later`, which does not race with what is known, in.
  void add(const Access& later) {
    const bool other_group = is_valid && (by_groups || group != later.group);
    const bool same_epoch = is_valid && group == later.group && epoch == later.epoch;
    const bool other_simdgroup = same_epoch && (by_simdgroups || simdgroup != later.simdgroup);
    const bool atomic = later.is_atomic && (is_atomic || !(other_group || other_simdgroup));
    *this = later;
    is_atomic = atomic;
    by_groups = other_group;
    by_simdgroups = other_simdgroup;
  }
};

struct ShadowCell {
  Access write, read;
};

class ShadowMemory {
 public:
  /// Memory beyond `max_cells` pieces, or beyond what the process can have, is not followed.
  explicit ShadowMemory(size_t max_cells) : max_cells_(max_cells) {}

  /// Calls visit(cell) for each piece of [address, address + bytes).
  template <class Visit>
  void for_each(uintptr_t address, size_t bytes, Visit visit) {
    for (const uintptr_t end = address + bytes; address < end;) {
      const uintptr_t stop = std::min(end, (address & ~uintptr_t{kPageBytes - 1}) + kPageBytes);
      const size_t piece = lowest_bit(address | (stop - address));
      if (Page* page = page_of(address, piece))
        for (size_t i = address % kPageBytes / page->piece; i * page->piece < (stop - 1) % kPageBytes + 1; ++i)
          visit(page->cells[i]);
      address = stop;
    }
  }
  void clear();

 private:
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kMaxPieceBytes = 16;

  /// Pieces are as small as the smallest access of the page so far.
  struct Page {
    size_t piece;
    std::vector<ShadowCell> cells;
  };

  static size_t lowest_bit(uintptr_t value) { return std::min(kMaxPieceBytes, size_t{1} << std::countr_zero(value)); }
  Page* page_of(uintptr_t address, size_t piece);
  Page* find_page(uintptr_t address, size_t piece);
  void refine(Page& page, size_t piece);

  size_t max_cells_;
  size_t cells_ = 0;
  std::unordered_map<uintptr_t, Page> pages_;
  uintptr_t last_number_ = UINTPTR_MAX;
  Page* last_ = nullptr;
};

}  // namespace mslc
