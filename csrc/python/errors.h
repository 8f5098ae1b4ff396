// Errors of functions that Python calls past PyTorch, which knows the Python type of each.
#pragma once

namespace torch_metal {

/// Keeps the exception that is being handled, for this thread.
void keep_error() noexcept;

/// Throws the exception that was kept last.
[[noreturn]] void raise_kept();

}  // namespace torch_metal
