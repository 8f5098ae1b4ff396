// Errors of functions that Python calls past PyTorch, which knows the Python type of each.
#pragma once

#include <exception>
#include <utility>

namespace torch_metal {

/// What the last keep_errors() of this thread caught.
inline thread_local std::exception_ptr kept_error;

/// Whether `function` ends without an error.
template <class Function>
bool keep_errors(const Function& function) noexcept {
  try {
    function();
    return true;
  } catch (...) {
    kept_error = std::current_exception();
    return false;
  }
}

/// Throws the error that was kept.
inline void raise_kept() { std::rethrow_exception(std::exchange(kept_error, nullptr)); }

}  // namespace torch_metal
