#include "python/errors.h"

#include <exception>
#include <utility>

namespace torch_metal {

static thread_local std::exception_ptr kept;

void keep_error() noexcept { kept = std::current_exception(); }

void raise_kept() { std::rethrow_exception(std::exchange(kept, nullptr)); }

}  // namespace torch_metal
