// Misuse ends in an error on the command buffer, and the process and the queue go on.
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "metal/host_threads.h"

using metal_test::error_of;
using metal_test::new_queue;
using metal_test::pipeline;
using metal_test::zeros;

namespace {

const MTL::Size kOne(1, 1, 1);

std::string blit_error(const std::function<void(MTL::BlitCommandEncoder*)>& encode) {
  const auto queue = new_queue();
  const auto commands = NS::RetainPtr(queue->commandBuffer());
  MTL::BlitCommandEncoder* const blit = commands->blitCommandEncoder();
  encode(blit);
  blit->endEncoding();
  commands->commit();
  commands->waitUntilCompleted();
  CHECK_EQUAL(commands->status(), MTL::CommandBufferStatusError);
  return commands->error()->localizedDescription()->utf8String();
}

}  // namespace

TEST(an_unbound_buffer_is_named) {
  const auto in = zeros(4);
  const std::string error = error_of([&](MTL::ComputeCommandEncoder* encoder) {
    encoder->setComputePipelineState(pipeline("affine"));
    encoder->setBuffer(in.get(), 0, 0);
    encoder->dispatchThreads(kOne, kOne);
  });
  CHECK_CONTAINS(error, "kernel 'affine': buffer 1 ('out') is not bound");
}

TEST(a_parameter_struct_that_is_too_small_is_named) {
  const auto buffer = zeros(4);
  const std::string error = error_of([&](MTL::ComputeCommandEncoder* encoder) {
    const float half_of_it = 1;
    encoder->setComputePipelineState(pipeline("affine"));
    encoder->setBuffer(buffer.get(), 0, 0);
    encoder->setBuffer(buffer.get(), 0, 1);
    encoder->setBytes(&half_of_it, sizeof(half_of_it), 2);
    encoder->dispatchThreads(kOne, kOne);
  });
  CHECK_CONTAINS(error, "buffer 2 ('map') needs 8 bytes, 4 are bound");
}

TEST(a_threadgroup_that_is_too_large_is_an_error) {
  const auto buffer = zeros(4);
  for (const MTL::Size size : {MTL::Size(1025, 1, 1), MTL::Size(32, 33, 1), MTL::Size(0, 1, 1)}) {
    const std::string error = error_of([&](MTL::ComputeCommandEncoder* encoder) {
      encoder->setComputePipelineState(pipeline("add_index"));
      encoder->setBuffer(buffer.get(), 0, 0);
      encoder->dispatchThreadgroups(kOne, size);
    });
    CHECK_CONTAINS(error, "from 1 to 1024");
  }
}

TEST(a_grid_that_is_too_large_or_empty_is_an_error) {
  const auto buffer = zeros(4);
  const auto error_of_groups = [&](MTL::Size groups) {
    return error_of([&](MTL::ComputeCommandEncoder* encoder) {
      encoder->setComputePipelineState(pipeline("add_index"));
      encoder->setBuffer(buffer.get(), 0, 0);
      encoder->dispatchThreadgroups(groups, MTL::Size(1024, 1, 1));
    });
  };
  CHECK_CONTAINS(error_of_groups(MTL::Size(1ull << 22, 1, 1)), "2^32");
  CHECK_CONTAINS(error_of_groups(MTL::Size(1ull << 54, 1, 1)), "2^32");
  CHECK_CONTAINS(error_of_groups(MTL::Size(0, 1, 1)), "empty");
}

TEST(threadgroup_memory_has_a_limit_and_a_granularity) {
  const auto buffer = zeros(4);
  const auto error_with = [&](size_t bytes) {
    return error_of([&](MTL::ComputeCommandEncoder* encoder) {
      encoder->setComputePipelineState(pipeline("reverse_in_group"));
      encoder->setBuffer(buffer.get(), 0, 0);
      encoder->setBuffer(buffer.get(), 0, 1);
      if (bytes) encoder->setThreadgroupMemoryLength(bytes, 0);
      encoder->dispatchThreadgroups(kOne, kOne);
    });
  };
  CHECK_CONTAINS(error_with(32768 + 16), "the limit is 32768");
  CHECK_CONTAINS(error_with(20), "multiple of 16");
  CHECK_CONTAINS(error_with(0), "threadgroup memory 0 ('scratch') has no length");
}

TEST(arguments_outside_their_table_are_errors) {
  const auto buffer = zeros(64);
  std::vector<char> bytes(5000);
  using Encoder = MTL::ComputeCommandEncoder;
  CHECK_CONTAINS(error_of([&](Encoder* encoder) { encoder->setBuffer(buffer.get(), 0, 31); }), "index 31");
  CHECK_CONTAINS(error_of([&](Encoder* encoder) { encoder->setBuffer(buffer.get(), 65, 0); }), "beyond the end");
  CHECK_CONTAINS(error_of([&](Encoder* encoder) { encoder->setBufferOffset(4, 0); }), "no buffer at index 0");
  CHECK_CONTAINS(error_of([&](Encoder* encoder) { encoder->setBytes(bytes.data(), 5000, 0); }), "4096");
  CHECK_CONTAINS(error_of([&](Encoder* encoder) { encoder->dispatchThreads(kOne, kOne); }), "pipeline");
}

TEST(blits_beyond_the_end_of_a_buffer_are_errors) {
  const auto buffer = zeros(64);
  CHECK_CONTAINS(blit_error([&](auto* blit) { blit->copyFromBuffer(buffer.get(), 60, buffer.get(), 0, 8); }), "source");
  CHECK_CONTAINS(blit_error([&](auto* blit) { blit->copyFromBuffer(buffer.get(), 0, buffer.get(), 60, 8); }),
                 "destination");
  CHECK_CONTAINS(blit_error([&](auto* blit) { blit->fillBuffer(buffer.get(), NS::Range(NS::UIntegerMax, 2), 0); }),
                 "beyond the end");
}

TEST(encoders_must_be_ended_and_not_used_afterwards) {
  const auto queue = new_queue();
  const auto open = NS::RetainPtr(queue->commandBuffer());
  open->computeCommandEncoder();
  open->commit();
  open->waitUntilCompleted();
  CHECK_CONTAINS(open->error()->localizedDescription()->utf8String(), "not been ended");

  const auto ended = NS::RetainPtr(queue->commandBuffer());
  MTL::ComputeCommandEncoder* const encoder = ended->computeCommandEncoder();
  encoder->endEncoding();
  encoder->dispatchThreads(kOne, kOne);
  ended->commit();
  ended->waitUntilCompleted();
  CHECK_CONTAINS(ended->error()->localizedDescription()->utf8String(), "after endEncoding");
  CHECK(ended->computeCommandEncoder() == nullptr);
}

TEST(waiting_before_commit_does_not_hang) {
  const auto queue = new_queue();
  const auto commands = NS::RetainPtr(queue->commandBuffer());
  commands->waitUntilCompleted();
  commands->commit();
  commands->waitUntilCompleted();
  CHECK_CONTAINS(commands->error()->localizedDescription()->utf8String(), "before it was committed");
}

TEST(after_an_error_events_are_signalled_and_the_queue_goes_on) {
  const auto queue = new_queue();
  const auto event = NS::TransferPtr(metal_test::device()->newSharedEvent());
  const auto word = zeros(4);
  const auto encode = [&](bool bind) {
    const auto commands = NS::RetainPtr(queue->commandBuffer());
    MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder();
    encoder->setComputePipelineState(pipeline("add_index"));
    if (bind) encoder->setBuffer(word.get(), 0, 0);
    encoder->dispatchThreads(kOne, kOne);
    encoder->endEncoding();
    commands->encodeSignalEvent(event.get(), bind ? 2 : 1);
    commands->commit();
    return commands;
  };
  const auto wrong = encode(false), right = encode(true);
  CHECK(event->waitUntilSignaledValue(2, NS::UIntegerMax));
  right->waitUntilCompleted();
  CHECK_EQUAL(wrong->status(), MTL::CommandBufferStatusError);
  CHECK_EQUAL(right->status(), MTL::CommandBufferStatusCompleted);
  CHECK_EQUAL(*metal_test::contents<uint32_t>(word), 1u);
}

TEST(a_forked_child_gets_an_error_and_does_not_hang) {
  const auto queue = new_queue();
  queue->commandBuffer()->commit();
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    const auto commands = NS::RetainPtr(queue->commandBuffer());
    commands->commit();
    commands->waitUntilCompleted();
    const bool clear = torch_metal::forked_after_use() && commands->status() == MTL::CommandBufferStatusError &&
                       std::string(commands->error()->localizedDescription()->utf8String()).find("fork") !=
                           std::string::npos;
    _exit(clear ? 0 : 1);
  }
  int status = -1;
  CHECK_EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(!torch_metal::forked_after_use());
}
