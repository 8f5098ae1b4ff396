// What kernels see: grids, threadgroups, arguments.
#include <array>
#include <cstdlib>
#include <numeric>

#include "harness.h"

using metal_test::contents;
using metal_test::pipeline;
using metal_test::run;
using metal_test::zeros;

namespace {

// Runs add_index over `count` threads and checks that each ran once.
void check_each_thread_runs_once(uint32_t count, uint32_t threadgroup) {
  const auto out = zeros(4 * count);
  const auto queue = metal_test::new_queue();
  run(queue.get(), [&](MTL::ComputeCommandEncoder* encoder) {
    encoder->setComputePipelineState(pipeline("add_index"));
    encoder->setBuffer(out.get(), 0, 0);
    encoder->dispatchThreads(MTL::Size(count, 1, 1), MTL::Size(threadgroup, 1, 1));
  });
  for (uint32_t i = 0; i < count; ++i) CHECK_EQUAL(contents<uint32_t>(out)[i], i + 1);
}

// Runs group_of_thread and checks every thread's threadgroup.
void check_groups(MTL::Size grid, MTL::Size threadgroup,
                  const std::function<void(MTL::ComputeCommandEncoder*)>& dispatch) {
  const auto out = zeros(4 * grid.width * grid.height * grid.depth);
  const uint32_t sizes[4] = {uint32_t(grid.width), uint32_t(grid.height), uint32_t(grid.depth), 0};
  const auto queue = metal_test::new_queue();
  run(queue.get(), [&](MTL::ComputeCommandEncoder* encoder) {
    encoder->setComputePipelineState(pipeline("group_of_thread"));
    encoder->setBuffer(out.get(), 0, 0);
    encoder->setBytes(sizes, sizeof(sizes), 1);
    dispatch(encoder);
  });
  const auto* group = contents<uint32_t>(out);
  for (uint32_t z = 0; z < grid.depth; ++z)
    for (uint32_t y = 0; y < grid.height; ++y)
      for (uint32_t x = 0; x < grid.width; ++x)
        CHECK_EQUAL(*group++, x / threadgroup.width + 100 * (y / threadgroup.height) + 10000 * (z / threadgroup.depth));
}

}  // namespace

TEST(every_thread_of_a_grid_runs_once) {
  check_each_thread_runs_once(1, 1);
  check_each_thread_runs_once(1000, 256);
  check_each_thread_runs_once(1000003, 1024);
}

TEST(quick_grids_become_wide_ones_without_losing_threads) {
  // The cost that is learned from the first grids steers how later ones are cut.
  for (const uint32_t count : {33, 5000, 20000, 64, 300000, 31}) check_each_thread_runs_once(count, 32);
}

TEST(grids_have_three_axes_and_partial_threadgroups) {
  const MTL::Size grid(37, 11, 5), threadgroup(8, 4, 2);
  check_groups(grid, threadgroup,
               [&](MTL::ComputeCommandEncoder* encoder) { encoder->dispatchThreads(grid, threadgroup); });
}

TEST(whole_threadgroups_are_counted_in_groups) {
  const MTL::Size grid(24, 12, 4), threadgroup(8, 4, 2);
  check_groups(grid, threadgroup, [&](MTL::ComputeCommandEncoder* encoder) {
    encoder->dispatchThreadgroups(MTL::Size(3, 3, 2), threadgroup);
  });
}

TEST(indirect_grids_are_read_when_they_run) {
  const auto groups = metal_test::buffer_of(std::vector<uint32_t>{0, 0, 0, 0});
  const MTL::Size grid(24, 12, 4), threadgroup(8, 4, 2);
  check_groups(grid, threadgroup, [&](MTL::ComputeCommandEncoder* encoder) {
    encoder->dispatchThreadgroups(groups.get(), 4, threadgroup);
    const uint32_t size[] = {3, 3, 2};
    std::copy(size, size + 3, contents<uint32_t>(groups) + 1);
  });
}

TEST(bytes_are_copied_when_they_are_set) {
  const auto in = metal_test::buffer_of(std::vector<float>{1, 2, 3, 4});
  const auto out = zeros(16);
  const auto queue = metal_test::new_queue();
  run(queue.get(), [&](MTL::ComputeCommandEncoder* encoder) {
    float map[2] = {10, 0.5};
    encoder->setComputePipelineState(pipeline("affine"));
    encoder->setBuffer(in.get(), 0, 0);
    encoder->setBuffer(out.get(), 0, 1);
    encoder->setBytes(map, sizeof(map), 2);
    map[0] = map[1] = -1;
    encoder->dispatchThreads(MTL::Size(4, 1, 1), MTL::Size(32, 1, 1));
  });
  for (int i = 0; i < 4; ++i) CHECK_EQUAL(contents<float>(out)[i], 10 * (i + 1) + 0.5f);
}

TEST(each_dispatch_keeps_the_arguments_it_was_encoded_with) {
  const auto out = zeros(4 * 8);
  const auto queue = metal_test::new_queue();
  run(queue.get(), [&](MTL::ComputeCommandEncoder* encoder) {
    encoder->setComputePipelineState(pipeline("add_index"));
    encoder->setBuffer(out.get(), 0, 0);
    for (const size_t offset : {0, 4, 8}) {
      encoder->setBufferOffset(offset, 0);
      encoder->dispatchThreads(MTL::Size(2, 1, 1), MTL::Size(2, 1, 1));
    }
  });
  const uint32_t expected[] = {1, 3, 3, 2, 0};
  for (int i = 0; i < 5; ++i) CHECK_EQUAL(contents<uint32_t>(out)[i], expected[i]);
}

TEST(setBuffers_binds_a_range) {
  const auto in = metal_test::buffer_of(std::vector<float>{0, 1, 2, 3});
  const auto out = zeros(16);
  const float map[2] = {1, 1};
  const auto queue = metal_test::new_queue();
  run(queue.get(), [&](MTL::ComputeCommandEncoder* encoder) {
    const MTL::Buffer* const buffers[] = {in.get(), out.get()};
    const NS::UInteger offsets[] = {4, 8};
    encoder->setComputePipelineState(pipeline("affine"));
    encoder->setBuffers(buffers, offsets, NS::Range(0, 2));
    encoder->setBytes(map, sizeof(map), 2);
    encoder->dispatchThreads(MTL::Size(2, 1, 1), MTL::Size(2, 1, 1));
  });
  CHECK_EQUAL(contents<float>(out)[2], 2);
  CHECK_EQUAL(contents<float>(out)[3], 3);
}

TEST(threads_of_a_group_share_memory_and_meet_at_barriers) {
  constexpr uint32_t kGroup = 256, kCount = 4 * kGroup;
  std::vector<float> values(kCount);
  std::iota(values.begin(), values.end(), 0);
  const auto in = metal_test::buffer_of(values);
  const auto out = zeros(4 * kCount);
  const auto queue = metal_test::new_queue();
  run(queue.get(), [&](MTL::ComputeCommandEncoder* encoder) {
    encoder->setComputePipelineState(pipeline("reverse_in_group"));
    encoder->setBuffer(in.get(), 0, 0);
    encoder->setBuffer(out.get(), 0, 1);
    encoder->setThreadgroupMemoryLength(4 * kGroup, 0);
    encoder->dispatchThreadgroups(MTL::Size(4, 1, 1), MTL::Size(kGroup, 1, 1));
  });
  for (uint32_t i = 0; i < kCount; ++i)
    CHECK_EQUAL(contents<float>(out)[i], values[i / kGroup * kGroup + kGroup - 1 - i % kGroup]);
}

namespace {

// 3, doubled and then increased by one, in an encoder of `type`; with a barrier in between or not.
float doubled_and_increased(MTL::DispatchType type, bool barrier) {
  const auto queue = metal_test::new_queue();
  const auto number = metal_test::zeros(4);
  metal_test::contents<float>(number)[0] = 3;
  const auto commands = NS::RetainPtr(queue->commandBuffer());
  MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder(type);
  encoder->setComputePipelineState(metal_test::pipeline("affine"));
  encoder->setBuffer(number.get(), 0, 0);
  encoder->setBuffer(number.get(), 0, 1);
  for (const auto& map : {std::array{2.0f, 0.0f}, std::array{1.0f, 1.0f}}) {
    encoder->setBytes(map.data(), sizeof(map), 2);
    encoder->dispatchThreads(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1));
    if (barrier) encoder->memoryBarrier(MTL::BarrierScopeBuffers);
  }
  encoder->endEncoding();
  commands->commit();
  commands->waitUntilCompleted();
  return metal_test::contents<float>(number)[0];
}

}  // namespace

TEST(dispatches_run_as_they_are_encoded) {
  unsetenv("TORCH_METAL_REORDER");
  CHECK_EQUAL(doubled_and_increased(MTL::DispatchTypeSerial, false), 7);
  CHECK_EQUAL(doubled_and_increased(MTL::DispatchTypeConcurrent, false), 7);
}

TEST(on_demand_what_no_barrier_orders_runs_backwards) {
  setenv("TORCH_METAL_REORDER", "1", 1);  // read at first use, and each test has a process of its own
  CHECK_EQUAL(doubled_and_increased(MTL::DispatchTypeSerial, false), 7);
  CHECK_EQUAL(doubled_and_increased(MTL::DispatchTypeConcurrent, true), 7);
  CHECK_EQUAL(doubled_and_increased(MTL::DispatchTypeConcurrent, false), 8);
}
