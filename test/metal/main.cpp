// `metal_test --list` prints the names of the tests, `metal_test NAME` runs one.
#include <cstdio>
#include <cstring>
#include <exception>

#include "harness.h"

namespace metal_test {

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

MTL::Device* device() {
  static MTL::Device* const device = MTL::CreateSystemDefaultDevice();
  return device;
}

NS::SharedPtr<MTL::CommandQueue> new_queue() { return NS::TransferPtr(device()->newCommandQueue()); }

NS::String* text(const char* utf8) { return NS::String::string(utf8, NS::UTF8StringEncoding); }

NS::SharedPtr<MTL::Library> compile(const char* source, MTL::CompileOptions* options) {
  NS::Error* error = nullptr;
  auto library = NS::TransferPtr(device()->newLibrary(text(source), options, &error));
  if (!library) throw std::runtime_error(error->localizedDescription()->utf8String());
  return library;
}

NS::SharedPtr<MTL::Buffer> zeros(size_t bytes) {
  return NS::TransferPtr(device()->newBuffer(bytes, MTL::ResourceStorageModeShared));
}

NS::SharedPtr<MTL::CommandBuffer> run(MTL::CommandQueue* queue,
                                      const std::function<void(MTL::ComputeCommandEncoder*)>& encode) {
  auto command_buffer = NS::RetainPtr(queue->commandBuffer());
  MTL::ComputeCommandEncoder* const encoder = command_buffer->computeCommandEncoder();
  encode(encoder);
  encoder->endEncoding();
  command_buffer->commit();
  command_buffer->waitUntilCompleted();
  return command_buffer;
}

std::string error_of(const std::function<void(MTL::ComputeCommandEncoder*)>& encode) {
  const auto queue = new_queue();
  const auto command_buffer = run(queue.get(), encode);
  CHECK_EQUAL(command_buffer->status(), MTL::CommandBufferStatusError);
  return command_buffer->error()->localizedDescription()->utf8String();
}

namespace {

int run_test(const char* name) {
  for (const Test& test : tests()) {
    if (std::strcmp(test.name, name) != 0) continue;
    try {
      const auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
      test.function();
      return 0;
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "%s\n", failure.what());
      return 1;
    }
  }
  std::fprintf(stderr, "no test is named %s\n", name);
  return 2;
}

}  // namespace
}  // namespace metal_test

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") != 0) return metal_test::run_test(argv[1]);
  for (const auto& test : metal_test::tests()) std::puts(test.name);
  return 0;
}
