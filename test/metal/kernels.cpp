// The kernels that the tests run.
#include <map>

#include "harness.h"

namespace metal_test {

namespace {

constexpr const char* kSource = R"MSL(
#include <metal_stdlib>
using namespace metal;

kernel void add_index(device uint* out [[buffer(0)]], uint i [[thread_position_in_grid]]) { out[i] += i + 1; }

kernel void group_of_thread(device uint* out [[buffer(0)]], constant uint3& grid [[buffer(1)]],
                            uint3 position [[thread_position_in_grid]],
                            uint3 group [[threadgroup_position_in_grid]]) {
  out[(position.z * grid.y + position.y) * grid.x + position.x] = group.x + 100 * group.y + 10000 * group.z;
}

struct Affine {
  float factor;
  float summand;
};

kernel void affine(device const float* in [[buffer(0)]], device float* out [[buffer(1)]],
                   constant Affine& map [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  out[i] = in[i] * map.factor + map.summand;
}

kernel void reverse_in_group(device const float* in [[buffer(0)]], device float* out [[buffer(1)]],
                             threadgroup float* scratch [[threadgroup(0)]], uint i [[thread_position_in_grid]],
                             uint t [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  scratch[t] = in[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = scratch[n - 1 - t];
}

kernel void iterate(device uint* out [[buffer(0)]], constant uint& rounds [[buffer(1)]],
                    uint i [[thread_position_in_grid]]) {
  uint state = out[i];
  for (uint round = 0; round < rounds; ++round) state = (state ^ state >> 15) * 1664525u + 1013904223u;
  out[i] = state;
}
)MSL";

}  // namespace

MTL::Library* library() {
  static const auto library = compile(kSource);
  return library.get();
}

MTL::ComputePipelineState* pipeline(const char* name) {
  static std::map<std::string, NS::SharedPtr<MTL::ComputePipelineState>> pipelines;
  auto& pipeline = pipelines[name];
  if (pipeline) return pipeline.get();
  const auto function = NS::TransferPtr(library()->newFunction(text(name)));
  NS::Error* error = nullptr;
  pipeline = NS::TransferPtr(device()->newComputePipelineState(function.get(), &error));
  if (!pipeline) throw std::runtime_error(error->localizedDescription()->utf8String());
  return pipeline.get();
}

}  // namespace metal_test
