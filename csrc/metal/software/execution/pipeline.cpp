#include "execution/pipeline.h"

#include <algorithm>
#include <utility>

namespace metal_software {

Pipeline::Pipeline(std::shared_ptr<const mslc::Kernel> compiled, unsigned max_threads)
    : kernel(std::move(compiled)), max_threads_per_threadgroup(max_threads) {
  for (const mslc::Argument& argument : kernel->info().arguments) {
    if (argument.kind == mslc::ArgumentKind::BuiltIn) continue;
    (argument.kind == mslc::ArgumentKind::Buffer ? buffers : threadgroup_memory) |= 1u << argument.index;
    table_size = std::max(table_size, argument.index + 1);
  }
}

}  // namespace metal_software
