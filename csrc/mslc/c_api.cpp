#include "mslc/c_api.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

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

mslc::ConstantValues constant_values(const mslc_constant* constants, size_t count) {
  mslc::ConstantValues values;
  for (const mslc_constant* c = constants; c != constants + count; ++c) {
    const auto* bytes = static_cast<const uint8_t*>(c->bytes);
    values[c->index].assign(bytes, bytes + c->size);
  }
  return values;
}

}  // namespace

mslc_library* mslc_library_compile(const char* source, const mslc_options* options, char* error, size_t error_size) {
  auto compile = [&] {
    mslc::CompileOptions how;
    if (options && options->target) how.target = options->target;
    if (options && options->cpu) how.cpu = options->cpu;
    if (options)
      how.include_directories.assign(options->include_directories,
                                     options->include_directories + options->include_directory_count);
    return new mslc_library{mslc::Library::compile(source, how)};
  };
  return report_errors(compile, static_cast<mslc_library*>(nullptr), error, error_size);
}

void mslc_library_release(mslc_library* library) { delete library; }

mslc_kernel* mslc_kernel_create(const mslc_library* library, const char* name, const mslc_constant* constants,
                                size_t constant_count, char* error, size_t error_size) {
  auto create = [&] {
    return new mslc_kernel{library->library->kernel(name, constant_values(constants, constant_count))};
  };
  return report_errors(create, static_cast<mslc_kernel*>(nullptr), error, error_size);
}

void mslc_kernel_release(mslc_kernel* kernel) { delete kernel; }

void* mslc_kernel_code(const mslc_library* library, const char* name, const mslc_constant* constants,
                       size_t constant_count, size_t* code_size, char* error, size_t error_size) {
  auto compile = [&] {
    const std::string code = library->library->machine_code(name, constant_values(constants, constant_count));
    void* copy = std::malloc(code.size());
    if (!copy) throw std::bad_alloc();
    std::memcpy(copy, code.data(), code.size());
    *code_size = code.size();
    return copy;
  };
  return report_errors(compile, static_cast<void*>(nullptr), error, error_size);
}

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
