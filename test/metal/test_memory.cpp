// The device's limits and its buffers.
#include <cstdlib>

#include "harness.h"

using metal_test::device;

TEST(the_device_is_one_object) {
  const auto again = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  CHECK(again.get() == device());
  const auto all = NS::TransferPtr(MTL::CopyAllDevices());
  CHECK_EQUAL(all->count(), 1u);
  CHECK(all->object<MTL::Device>(0) == device());
}

TEST(the_device_names_itself_and_its_limits) {
  CHECK_CONTAINS(device()->name()->utf8String(), "Software Metal device");
  CHECK_EQUAL(device()->maxThreadsPerThreadgroup().width, 1024u);
  CHECK_EQUAL(device()->maxThreadgroupMemoryLength(), 32768u);
  CHECK(device()->hasUnifiedMemory());
  CHECK(device()->supportsFamily(MTL::GPUFamilyMetal3));
  CHECK(device()->recommendedMaxWorkingSetSize() >= 1 << 20);
}

TEST(new_buffers_are_aligned_and_zero) {
  for (const size_t length : {1, 5000, 3 << 20}) {
    const auto buffer = metal_test::zeros(length);
    const auto* const bytes = metal_test::contents<uint8_t>(buffer);
    CHECK_EQUAL(buffer->length(), length);
    CHECK_EQUAL(buffer->gpuAddress(), reinterpret_cast<uintptr_t>(bytes));
    CHECK_EQUAL(buffer->gpuAddress() % 16384, 0u);
    for (size_t i = 0; i < length; ++i) CHECK_EQUAL(int(bytes[i]), 0);
  }
}

TEST(allocated_bytes_are_counted) {
  const size_t before = device()->currentAllocatedSize();
  auto buffer = metal_test::zeros(100000);
  CHECK_EQUAL(device()->currentAllocatedSize(), before + buffer->allocatedSize());
  CHECK(buffer->allocatedSize() >= 100000);
  buffer.reset();
  CHECK_EQUAL(device()->currentAllocatedSize(), before);
}

TEST(a_buffer_beyond_the_limit_is_null) {
  const size_t before = device()->currentAllocatedSize();
  CHECK(!device()->newBuffer(device()->maxBufferLength() + 1, MTL::ResourceStorageModeShared));
  CHECK(!device()->newBuffer(NS::UIntegerMax, MTL::ResourceStorageModeShared));
  CHECK(!device()->newBuffer(NS::UInteger(0), MTL::ResourceStorageModeShared));
  CHECK_EQUAL(device()->currentAllocatedSize(), before);
}

TEST(buffers_together_stay_within_the_limit) {
  const auto held = metal_test::zeros(1 << 20);
  CHECK(!device()->newBuffer(device()->maxBufferLength() - (1 << 19), MTL::ResourceStorageModeShared));
}

TEST(the_environment_may_lower_the_limit) {
  setenv("TORCH_METAL_MEMORY_LIMIT", "64M", 1);  // read at first use, and each test has a process of its own
  CHECK_EQUAL(device()->recommendedMaxWorkingSetSize(), 64u << 20);
  const auto half = metal_test::zeros(32 << 20);
  CHECK(half);
  CHECK(!device()->newBuffer(33 << 20, MTL::ResourceStorageModeShared));
}

TEST(a_buffer_can_copy_or_borrow_host_memory) {
  std::vector<int> values(1000, 7);
  const size_t before = device()->currentAllocatedSize();
  const auto copy = metal_test::buffer_of(values);
  values[0] = 8;
  CHECK_EQUAL(metal_test::contents<int>(copy)[0], 7);

  size_t returned = 0;
  auto borrowed = NS::TransferPtr(device()->newBuffer(values.data(), 4000, MTL::ResourceStorageModeShared,
                                                      [&](void*, NS::UInteger length) { returned = length; }));
  CHECK(borrowed->contents() == values.data());
  CHECK_EQUAL(device()->currentAllocatedSize(), before + copy->allocatedSize());
  borrowed.reset();
  CHECK_EQUAL(returned, 4000u);
}

TEST(private_buffers_have_no_contents) {
  const auto buffer = NS::TransferPtr(device()->newBuffer(64, MTL::ResourceStorageModePrivate));
  CHECK(buffer->contents() == nullptr);
  CHECK_EQUAL(buffer->storageMode(), MTL::StorageModePrivate);
  buffer->setLabel(MTLSTR("scratch"));
  CHECK(buffer->label()->isEqualToString(MTLSTR("scratch")));
}

TEST(residency_sets_hold_what_is_committed) {
  const auto descriptor = NS::TransferPtr(MTL::ResidencySetDescriptor::alloc()->init());
  NS::Error* error = nullptr;
  const auto set = NS::TransferPtr(device()->newResidencySet(descriptor.get(), &error));
  const auto first = metal_test::zeros(64), second = metal_test::zeros(64);
  set->addAllocation(first.get());
  set->addAllocation(second.get());
  CHECK_EQUAL(set->allocationCount(), 0u);
  set->commit();
  CHECK_EQUAL(set->allocationCount(), 2u);
  CHECK_EQUAL(set->allocatedSize(), first->allocatedSize() + second->allocatedSize());
  set->removeAllocation(first.get());
  CHECK(set->containsAllocation(first.get()));
  set->commit();
  CHECK(!set->containsAllocation(first.get()) && set->containsAllocation(second.get()));
}
