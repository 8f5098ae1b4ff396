// Views of strided memory.
#pragma once

#include "graph/node.h"

namespace metal_software {

using torch_metal::HostArray;

/// Dense memory from `data` on.
HostArray dense_array(void* data, MPS::DataType type, const Shape& shape);
/// Dimension d of the view is dimension permutation[d] of `array`.
HostArray permuted(const HostArray& array, const Shape& permutation);
/// The view whose permutation is `array`.
HostArray permuted_back(const HostArray& array, const Shape& permutation);
/// The view of sizes `shape`, aligned at the last dimension, that repeats dimensions of size 1.
HostArray broadcast(const HostArray& array, const Shape& shape);

}  // namespace metal_software
