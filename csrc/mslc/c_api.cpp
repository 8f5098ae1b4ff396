#include "mslc/c_api.h"

#include <algorithm>
#include <cstring>

#include "mslc/mslc.h"

struct mslc_library {
  std::shared_ptr<mslc::Library> library;
};

struct mslc_kernel {
  std::shared_ptr<const mslc::Kernel> kernel;
};

namespace {

/// What `work` returns, or `failed` with the message written.
template <class Work, class Result>
Result report_errors(Work work, Result failed, char* error, size_t error_size) {
  try {
    return work();
  } catch (const std::exception& e) {
    if (error_size > 0) {
      const size_t length = std::min(error_size - 1, std::strlen(e.what()));
      std::memcpy(error, e.what(), length);
      error[length] = 0;
    }
    return failed;
  }
}

}  // namespace

mslc_library* mslc_library_compile(const char* source, char* error, size_t error_size) {
  auto compile = [&] { return new mslc_library{mslc::Library::compile(source)}; };
  return report_errors(compile, static_cast<mslc_library*>(nullptr), error, error_size);
}

void mslc_library_release(mslc_library* library) { delete library; }

mslc_kernel* mslc_kernel_create(const mslc_library* library, const char* name, char* error, size_t error_size) {
  auto create = [&] { return new mslc_kernel{library->library->kernel(name)}; };
  return report_errors(create, static_cast<mslc_kernel*>(nullptr), error, error_size);
}

void mslc_kernel_release(mslc_kernel* kernel) { delete kernel; }

int mslc_kernel_execute(const mslc_kernel* kernel, const void* const* buffers, const size_t* threadgroup_bytes,
                        const uint32_t threads_per_grid[3], const uint32_t threads_per_threadgroup[3], char* error,
                        size_t error_size) {
  auto execute = [&] {
    mslc::Launch launch;
    launch.buffers = buffers;
    launch.threadgroup_memory = threadgroup_bytes;
    std::copy_n(threads_per_grid, 3, launch.threads_per_grid);
    std::copy_n(threads_per_threadgroup, 3, launch.threads_per_threadgroup);
    kernel->kernel->execute(launch, 0, mslc::threadgroup_count(launch));
    return 0;
  };
  return report_errors(execute, 1, error, error_size);
}
