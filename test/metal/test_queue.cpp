// Order and asynchrony: command buffers, queues, events, handlers.
#include <atomic>
#include <thread>

#include "harness.h"
#include "metal/host_threads.h"

using metal_test::contents;
using metal_test::device;
using metal_test::new_queue;
using metal_test::pipeline;
using metal_test::zeros;

namespace {

// Appends a kernel that adds 1 to the word at `offset`.
void encode_increment(MTL::CommandBuffer* commands, MTL::Buffer* buffer, size_t offset = 0) {
  MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder();
  encoder->setComputePipelineState(pipeline("add_index"));
  encoder->setBuffer(buffer, offset, 0);
  encoder->dispatchThreads(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1));
  encoder->endEncoding();
}

void encode_copy(MTL::CommandBuffer* commands, MTL::Buffer* buffer, size_t from, size_t to) {
  MTL::BlitCommandEncoder* const encoder = commands->blitCommandEncoder();
  encoder->copyFromBuffer(buffer, from, buffer, to, 4);
  encoder->endEncoding();
}

NS::SharedPtr<MTL::CommandBuffer> new_command_buffer(const NS::SharedPtr<MTL::CommandQueue>& queue) {
  return NS::RetainPtr(queue->commandBuffer());
}

}  // namespace

TEST(command_buffers_of_a_queue_run_in_order) {
  const auto queue = new_queue();
  const auto words = zeros(4 * 201);
  pipeline("add_index");
  for (size_t i = 0; i < 200; ++i) {
    const auto commands = new_command_buffer(queue);
    encode_increment(commands.get(), words.get(), 4 * i);
    encode_copy(commands.get(), words.get(), 4 * i, 4 * (i + 1));
    commands->commit();
    if (i == 199) commands->waitUntilCompleted();
  }
  for (uint32_t i = 0; i < 200; ++i) CHECK_EQUAL(contents<uint32_t>(words)[i], i + 1);
}

TEST(places_are_reserved_by_enqueue) {
  const auto queue = new_queue();
  const auto words = zeros(8);
  const auto first = new_command_buffer(queue), second = new_command_buffer(queue);
  first->enqueue();
  CHECK_EQUAL(first->status(), MTL::CommandBufferStatusEnqueued);
  encode_copy(second.get(), words.get(), 0, 4);
  second->commit();
  encode_increment(first.get(), words.get());
  first->commit();
  second->waitUntilCompleted();
  CHECK_EQUAL(contents<uint32_t>(words)[1], 1u);
}

TEST(commit_does_not_wait) {
  const auto queue = new_queue();
  const auto gate = NS::TransferPtr(device()->newSharedEvent());
  const auto word = zeros(4);
  const auto commands = new_command_buffer(queue);
  commands->encodeWait(gate.get(), 1);
  encode_increment(commands.get(), word.get());
  commands->commit();
  commands->waitUntilScheduled();
  CHECK_EQUAL(contents<uint32_t>(word)[0], 0u);
  CHECK(commands->status() < MTL::CommandBufferStatusCompleted);
  gate->setSignaledValue(1);
  commands->waitUntilCompleted();
  CHECK_EQUAL(contents<uint32_t>(word)[0], 1u);
  CHECK_EQUAL(commands->status(), MTL::CommandBufferStatusCompleted);
  CHECK(commands->error() == nullptr);
  CHECK(commands->GPUEndTime() >= commands->GPUStartTime() && commands->GPUStartTime() > 0);
}

TEST(events_order_two_queues) {
  const auto producer = new_queue(), consumer = new_queue();
  const auto event = NS::TransferPtr(device()->newEvent());
  const auto words = zeros(8);
  pipeline("add_index");
  NS::SharedPtr<MTL::CommandBuffer> last;
  for (uint64_t round = 1; round <= 50; ++round) {
    const auto copy = new_command_buffer(consumer);
    copy->encodeWait(event.get(), 2 * round - 1);
    encode_copy(copy.get(), words.get(), 0, 4);
    copy->encodeSignalEvent(event.get(), 2 * round);
    copy->commit();
    const auto increment = new_command_buffer(producer);
    increment->encodeWait(event.get(), 2 * round - 2);
    encode_increment(increment.get(), words.get());
    increment->encodeSignalEvent(event.get(), 2 * round - 1);
    increment->commit();
    last = copy;
  }
  last->waitUntilCompleted();
  CHECK_EQUAL(contents<uint32_t>(words)[1], 50u);
}

TEST(the_host_waits_for_shared_events) {
  const auto queue = new_queue();
  const auto event = NS::TransferPtr(device()->newSharedEvent());
  CHECK(!event->waitUntilSignaledValue(5, 1));
  const auto commands = new_command_buffer(queue);
  commands->encodeSignalEvent(event.get(), 5);
  commands->commit();
  CHECK(event->waitUntilSignaledValue(5, NS::UIntegerMax));
  CHECK_EQUAL(event->signaledValue(), 5u);
}

TEST(handlers_run_in_order_before_a_wait_returns) {
  const auto queue = new_queue();
  const auto commands = new_command_buffer(queue);
  std::vector<int> calls;
  commands->addScheduledHandler([&](MTL::CommandBuffer*) { calls.push_back(0); });
  for (const int i : {1, 2})
    commands->addCompletedHandler([&, i](MTL::CommandBuffer* completed) {
      CHECK_EQUAL(completed->status(), MTL::CommandBufferStatusCompleted);
      calls.push_back(i);
    });
  commands->commit();
  commands->waitUntilCompleted();
  CHECK_EQUAL(calls.size(), 3u);
  for (int i = 0; i < 3; ++i) CHECK_EQUAL(calls[i], i);
}

TEST(any_number_of_threads_may_wait) {
  const auto queue = new_queue();
  const auto word = zeros(4);
  pipeline("add_index");
  std::vector<NS::SharedPtr<MTL::CommandBuffer>> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(new_command_buffer(queue));
    encode_increment(all.back().get(), word.get());
    all.back()->commit();
  }
  std::vector<std::thread> threads;
  std::atomic<int> completed{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (const auto& commands : all) {
        commands->waitUntilCompleted();
        completed += commands->status() == MTL::CommandBufferStatusCompleted;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK_EQUAL(completed.load(), 200);
  CHECK_EQUAL(contents<uint32_t>(word)[0], 50u);
}

TEST(threads_encode_on_queues_of_their_own) {
  pipeline("add_index");
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      const auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
      const auto queue = new_queue();
      const auto word = zeros(4);
      for (int i = 0; i < 100; ++i) {
        const auto commands = new_command_buffer(queue);
        encode_increment(commands.get(), word.get());
        commands->commit();
        if (i % 10 == 9) commands->waitUntilCompleted();
      }
      right += contents<uint32_t>(word)[0] == 100;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK_EQUAL(right.load(), 4);
}

TEST(a_queue_holds_back_who_encodes_too_far_ahead) {
  const auto queue = NS::TransferPtr(device()->newCommandQueue(2));
  const auto gate = NS::TransferPtr(device()->newSharedEvent());
  for (int i = 0; i < 2; ++i) {
    const auto commands = new_command_buffer(queue);
    commands->encodeWait(gate.get(), 1);
    commands->commit();
  }
  std::atomic<bool> got_one{false};
  std::thread third([&] {
    const auto commands = new_command_buffer(queue);
    got_one = true;
  });
  CHECK(!got_one);
  gate->setSignaledValue(1);
  third.join();
  CHECK(got_one);
}

TEST(resources_live_until_the_command_buffer_has_completed) {
  const auto queue = new_queue();
  const auto gate = NS::TransferPtr(device()->newSharedEvent());
  pipeline("add_index");
  const size_t before = device()->currentAllocatedSize();
  auto word = zeros(4);
  const auto commands = new_command_buffer(queue);
  commands->encodeWait(gate.get(), 1);
  encode_increment(commands.get(), word.get());
  encode_increment(commands.get(), word.get());
  commands->commit();
  CHECK_EQUAL(word->retainCount(), 2u);
  word.reset();
  CHECK(device()->currentAllocatedSize() > before);
  gate->setSignaledValue(1);
  commands->waitUntilCompleted();
  CHECK_EQUAL(device()->currentAllocatedSize(), before);
}

TEST(unretained_command_buffers_leave_reference_counts_alone) {
  const auto queue = new_queue();
  const auto word = zeros(4);
  const auto commands = NS::RetainPtr(queue->commandBufferWithUnretainedReferences());
  CHECK(!commands->retainedReferences());
  encode_increment(commands.get(), word.get());
  CHECK_EQUAL(word->retainCount(), 1u);
  commands->commit();
  commands->waitUntilCompleted();
  CHECK_EQUAL(contents<uint32_t>(word)[0], 1u);
}

TEST(a_queue_may_be_released_while_it_works) {
  auto queue = new_queue();
  const auto gate = NS::TransferPtr(device()->newSharedEvent());
  const auto word = zeros(4);
  const auto commands = new_command_buffer(queue);
  commands->encodeWait(gate.get(), 1);
  encode_increment(commands.get(), word.get());
  commands->commit();
  queue.reset();
  gate->setSignaledValue(1);
  commands->waitUntilCompleted();
  CHECK_EQUAL(contents<uint32_t>(word)[0], 1u);
}

TEST(a_process_may_end_while_kernels_run) {
  const auto queue = new_queue();
  const auto words = zeros(4 << 16);
  const uint32_t rounds = 100000;
  for (int i = 0; i < 20; ++i) {
    const auto commands = new_command_buffer(queue);
    MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder();
    encoder->setComputePipelineState(pipeline("iterate"));
    encoder->setBuffer(words.get(), 0, 0);
    encoder->setBytes(&rounds, sizeof(rounds), 1);
    encoder->dispatchThreads(MTL::Size(1 << 16, 1, 1), MTL::Size(256, 1, 1));
    encoder->endEncoding();
    commands->commit();
    if (i == 0) commands->waitUntilScheduled();
    if (i == 19) CHECK(commands->status() < MTL::CommandBufferStatusCompleted);
  }
}

TEST(blits_copy_and_fill) {
  const auto queue = new_queue();
  const auto buffer = metal_test::buffer_of(std::vector<uint32_t>{1, 2, 3, 4});
  const auto commands = new_command_buffer(queue);
  MTL::BlitCommandEncoder* const blit = commands->blitCommandEncoder();
  blit->copyFromBuffer(buffer.get(), 0, buffer.get(), 8, 8);
  blit->fillBuffer(buffer.get(), NS::Range(1, 3), 0xAB);
  blit->endEncoding();
  commands->commit();
  commands->waitUntilCompleted();
  const uint32_t expected[] = {0xABABAB01, 2, 1, 2};
  for (int i = 0; i < 4; ++i) CHECK_EQUAL(contents<uint32_t>(buffer)[i], expected[i]);
}

TEST(grids_run_on_the_threads_that_are_lent) {
  static std::atomic<int> loops{0};
  torch_metal::set_host_threads(
      {[] { return 3; }, [](int64_t count, int64_t, const std::function<void(int64_t, int64_t)>& body) {
         ++loops;
         for (int64_t i = count; i > 0; --i) body(i - 1, i);
       },
       [](int) {}});
  const auto out = zeros(4 << 20);
  const auto queue = new_queue();
  metal_test::run(queue.get(), [&](MTL::ComputeCommandEncoder* encoder) {
    encoder->setComputePipelineState(pipeline("add_index"));
    encoder->setBuffer(out.get(), 0, 0);
    encoder->dispatchThreads(MTL::Size(1 << 20, 1, 1), MTL::Size(256, 1, 1));
  });
  CHECK_EQUAL(loops.load(), 1);
  for (uint32_t i = 0; i < 1 << 20; ++i) CHECK_EQUAL(contents<uint32_t>(out)[i], i + 1);
}
