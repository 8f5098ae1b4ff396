// Where the compiler runs: clang and LLVM recurse as deep as the source nests, which the caller's stack may not bear.
#pragma once

#include <exception>
#include <optional>
#include <utility>

namespace mslc {

/// Calls work(context) on a thread with a stack of kCompilerStackBytes, and returns when it has ended. `work` does not
/// throw. Throws std::system_error if there can be no such thread.
void run_on_compiler_thread(void (*work)(void* context), void* context);

/// What `work` returns or throws there.
template <class Work>
auto on_compiler_thread(Work work) {
  struct Call {
    Work& work;
    std::optional<decltype(std::declval<Work&>()())> result;
    std::exception_ptr error;

    static void run(void* context) {
      auto& call = *static_cast<Call*>(context);
      try {
        call.result = call.work();
      } catch (...) {
        call.error = std::current_exception();
      }
    }
  } call{work, {}, {}};
  run_on_compiler_thread(&Call::run, &call);
  if (call.error) std::rethrow_exception(call.error);
  return std::move(*call.result);
}

}  // namespace mslc
