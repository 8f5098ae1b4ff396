#include "validate/shadow_memory.h"

#include <new>

namespace mslc {

void ShadowMemory::clear() {
  pages_.clear();
  cells_ = 0;
  last_number_ = UINTPTR_MAX;
}

ShadowMemory::Page* ShadowMemory::page_of(uintptr_t address, size_t piece) {
  try {
    return find_page(address, piece);
  } catch (const std::bad_alloc&) {
    max_cells_ = cells_;
    last_number_ = UINTPTR_MAX;
    return nullptr;
  }
}

ShadowMemory::Page* ShadowMemory::find_page(uintptr_t address, size_t piece) {
  const uintptr_t number = address / kPageBytes;
  if (number != last_number_) {
    auto found = pages_.find(number);
    if (found == pages_.end()) {
      if (cells_ + kPageBytes / piece > max_cells_) return nullptr;
      found = pages_.emplace(number, Page{piece, std::vector<ShadowCell>(kPageBytes / piece)}).first;
      cells_ += kPageBytes / piece;
    }
    last_number_ = number;
    last_ = &found->second;
  }
  if (piece < last_->piece) refine(*last_, piece);
  return last_;
}

void ShadowMemory::refine(Page& page, size_t piece) {
  std::vector<ShadowCell> cells;
  cells.reserve(kPageBytes / piece);
  for (const ShadowCell& cell : page.cells) cells.insert(cells.end(), page.piece / piece, cell);
  cells_ += cells.size() - page.cells.size();
  page.cells = std::move(cells);
  page.piece = piece;
}

}  // namespace mslc
