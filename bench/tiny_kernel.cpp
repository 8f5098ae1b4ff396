// What a kernel costs that does next to nothing, from encoding to completion: microseconds, medians, as JSON.
#include <Metal/Metal.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

namespace {

constexpr char kSource[] = "kernel void twice(device float* x, uint i [[thread_position_in_grid]]) { x[i] *= 2; }";
constexpr int kSamples = 200;
constexpr int kPipelined = 1000;  // command buffers on their way at once

class Bench {
 public:
  Bench() : device_(MTL::CreateSystemDefaultDevice()), queue_(device_->newCommandQueue()) {
    NS::Error* error = nullptr;
    auto* const source = NS::String::string(kSource, NS::UTF8StringEncoding);
    auto* const library = device_->newLibrary(source, nullptr, &error);
    auto* const function = library->newFunction(NS::String::string("twice", NS::UTF8StringEncoding));
    pipeline_ = device_->newComputePipelineState(function, &error);
    buffer_ = device_->newBuffer(128, MTL::ResourceStorageModeShared);
  }

  /// Commits one command buffer with one dispatch, and waits for it if asked to.
  void launch(bool wait) {
    auto* const pool = NS::AutoreleasePool::alloc()->init();
    MTL::CommandBuffer* const commands = queue_->commandBuffer();
    MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder();
    encoder->setComputePipelineState(pipeline_);
    encoder->setBuffer(buffer_, 0, 0);
    encoder->dispatchThreads(MTL::Size(32, 1, 1), MTL::Size(32, 1, 1));
    encoder->endEncoding();
    commands->commit();
    if (wait) commands->waitUntilCompleted();
    pool->release();
  }

 private:
  MTL::Device* device_;
  MTL::CommandQueue* queue_;
  MTL::ComputePipelineState* pipeline_;
  MTL::Buffer* buffer_;
};

/// The median time of `work`, divided by `count`, in microseconds.
template <class Work>
double median_us(int count, Work work) {
  std::vector<double> times;
  for (int i = 0; i < kSamples; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() /
                    count);
  }
  std::nth_element(times.begin(), times.begin() + kSamples / 2, times.end());
  return times[kSamples / 2];
}

}  // namespace

int main() {
  Bench bench;
  bench.launch(true);
  const double waiting = median_us(1, [&] { bench.launch(true); });
  const double pipelined = median_us(kPipelined, [&] {
    for (int i = 1; i < kPipelined; ++i) bench.launch(false);
    bench.launch(true);
  });
  std::printf("{\"pipelined_us\": %.3f, \"waiting_us\": %.3f}\n", pipelined, waiting);
}
