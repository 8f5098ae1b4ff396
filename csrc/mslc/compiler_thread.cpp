#include "compiler_thread.h"

#include <pthread.h>

#include <cstddef>
#include <system_error>

namespace mslc {

namespace {

// Enough for what front/limits.cpp lets through. It is address space: only what is used becomes memory.
constexpr size_t kCompilerStackBytes = size_t{1} << 30;

struct Task {
  void (*work)(void*);
  void* context;
};

}  // namespace

void run_on_compiler_thread(void (*work)(void* context), void* context) {
  Task task{work, context};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kCompilerStackBytes);
  pthread_t thread;
  const auto start = [](void* argument) -> void* {
    const Task& task = *static_cast<Task*>(argument);
    task.work(task.context);
    return nullptr;
  };
  const int failure = pthread_create(&thread, &attributes, start, &task);
  pthread_attr_destroy(&attributes);
  if (failure) throw std::system_error(failure, std::generic_category(), "the compiler's thread, with 1 GB of stack");
  pthread_join(thread, nullptr);
}

}  // namespace mslc
