#include "ops/library_choice.h"

#include <array>
#include <atomic>

#include "metal/mps_graph.h"

namespace torch_metal {
namespace {

std::array<std::atomic<Library>, 2> preferred{};

/// Multiplications, by family: fewer are done sooner by a kernel than a graph is set up.
constexpr std::array<double, 2> kWorthAGraph{1 << 20, 1 << 17};

}  // namespace

Library preferred_library(Family family) { return preferred[static_cast<size_t>(family)].load(std::memory_order_relaxed); }

void set_preferred_library(Family family, Library library) { preferred[static_cast<size_t>(family)] = library; }

bool prefers_mps_graph(Family family, const at::Tensor& out, double multiplications) {
  if (!MPSGraph::available()) return false;
  switch (preferred_library(family)) {
    case Library::msl: return false;
    case Library::mps_graph: return true;
    case Library::automatic:
      return out.scalar_type() != at::kHalf && multiplications >= kWorthAGraph[static_cast<size_t>(family)];
  }
  return false;
}

}  // namespace torch_metal
