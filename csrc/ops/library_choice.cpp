#include "ops/library_choice.h"

#include <array>
#include <atomic>

namespace torch_metal {
namespace {

std::array<std::atomic<Library>, 2> preferred{};

/// Less is done sooner by a kernel than a graph is set up.
constexpr double kWorthAGraph = 1 << 20;

}  // namespace

Library preferred_library(Family family) { return preferred[static_cast<size_t>(family)].load(std::memory_order_relaxed); }

void set_preferred_library(Family family, Library library) { preferred[static_cast<size_t>(family)] = library; }

bool prefers_mps_graph(Family family, const at::Tensor& out, double multiplications) {
  switch (preferred_library(family)) {
    case Library::msl: return false;
    case Library::mps_graph: return true;
    case Library::automatic: return out.scalar_type() != at::kHalf && multiplications >= kWorthAGraph;
  }
  return false;
}

}  // namespace torch_metal
