#include "ops/multi_tensor.h"

namespace torch_metal {

std::vector<TensorChunk> tensor_chunks(at::ArrayRef<at::TensorList> lists) {
  TORCH_INTERNAL_ASSERT(lists.size() <= MULTI_TENSOR_LISTS);
  std::vector<TensorChunk> chunks;
  for (size_t t = 0; t < lists[0].size(); ++t) {
    const uint64_t numel = lists[0][t].numel();
    if (numel == 0) continue;
    if (chunks.empty() || chunks.back().table.count == MULTI_TENSOR_COUNT) chunks.emplace_back();
    TensorChunk& chunk = chunks.back();
    TensorTable& table = chunk.table;
    const uint32_t position = table.count++;
    for (size_t k = 0; k < lists.size(); ++k) {
      if (lists[k].empty()) continue;
      table.address[k][position] = gpu_address(lists[k][t]);
      chunk.resources.add(lists[k][t]);
    }
    table.numel[position] = numel;
    table.first_group[position + 1] =
        table.first_group[position] + static_cast<uint32_t>((numel + MULTI_TENSOR_GROUP - 1) / MULTI_TENSOR_GROUP);
    chunk.indices.push_back(t);
  }
  return chunks;
}

}  // namespace torch_metal
