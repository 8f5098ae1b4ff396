// Tests of the Metal API: one function each, in a process of its own.
#pragma once

#include <Metal/Metal.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace metal_test {

struct Test {
  const char* name;
  void (*function)();
};
std::vector<Test>& tests();

struct Registration {
  Registration(const char* name, void (*function)()) { tests().push_back({name, function}); }
};

#define TEST(name)                                             \
  static void name();                                          \
  static const metal_test::Registration register_##name(#name, name); \
  static void name()

[[noreturn]] inline void fail(const char* file, int line, const std::string& text) {
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + text);
}

#define CHECK(condition) \
  ((condition) ? void() : metal_test::fail(__FILE__, __LINE__, "does not hold: " #condition))

#define CHECK_EQUAL(a, b) metal_test::check_equal(a, b, __FILE__, __LINE__, #a " == " #b)

#define CHECK_CONTAINS(text, part)                                                                       \
  (std::string(text).find(part) != std::string::npos ? void() : metal_test::fail(__FILE__, __LINE__,     \
                                                                                 "'" + std::string(text) + \
                                                                                     "' lacks '" + part + "'"))

template <class A, class B>
void check_equal(const A& a, const B& b, const char* file, int line, const char* what) {
  if (a == b) return;
  std::ostringstream text;
  text << "does not hold: " << what << " (" << a << ", " << b << ")";
  fail(file, line, text.str());
}

MTL::Device* device();
/// A new queue.
NS::SharedPtr<MTL::CommandQueue> new_queue();
/// The library of kernels.cpp.
MTL::Library* library();
/// One of its kernels; made once.
MTL::ComputePipelineState* pipeline(const char* name);

NS::SharedPtr<MTL::Library> compile(const char* source, MTL::CompileOptions* options = nullptr);
NS::String* text(const char* utf8);

/// A shared buffer of `values`.
template <class T>
NS::SharedPtr<MTL::Buffer> buffer_of(const std::vector<T>& values) {
  return NS::TransferPtr(device()->newBuffer(values.data(), values.size() * sizeof(T), MTL::ResourceStorageModeShared));
}
NS::SharedPtr<MTL::Buffer> zeros(size_t bytes);

template <class T>
T* contents(const NS::SharedPtr<MTL::Buffer>& buffer) {
  return static_cast<T*>(buffer->contents());
}

/// Encodes with `encode`, commits, waits; returns the command buffer, kept alive by `queue`'s autorelease pool.
NS::SharedPtr<MTL::CommandBuffer> run(MTL::CommandQueue* queue,
                                      const std::function<void(MTL::ComputeCommandEncoder*)>& encode);
/// The text of the error that `encode` leads to; fails if there is none.
std::string error_of(const std::function<void(MTL::ComputeCommandEncoder*)>& encode);

}  // namespace metal_test
