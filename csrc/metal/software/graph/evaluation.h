// One run of an executable.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "graph/host_array.h"

namespace metal_software {

/// The library that was lent, or null.
const torch_metal::HostLibrary* host_library();

/// Computes values of a graph with the host's library, each where it is wanted: what only permutes is a view, and a
/// product is added to what it is added to as it is written.
class Evaluation {
 public:
  Evaluation(const std::vector<NS::SharedPtr<const Node>>& feeds, std::vector<HostArray> arrays);
  void compute(const Node& node, const HostArray& out);

 private:
  HostArray value(const Node& node);
  void compute_sum(const Node& node, const HostArray& out);
  bool compute_product_and_sum(const Node& product, const Node& addend, const HostArray& out);
  void compute_product(const Node& node, const HostArray& out, const HostArray* addend);

  const torch_metal::HostLibrary& library_;
  std::map<const Node*, HostArray> values_;
  std::vector<std::unique_ptr<std::byte[]>> temporaries_;
};

}  // namespace metal_software
