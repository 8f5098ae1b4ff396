/* mslc for other languages: compile a source, run a kernel on host memory. test/mslc/library.py calls it from Python.
 *
 * Functions that can fail write a message of at most `error_size` bytes, ended by a zero, and return null or non-zero. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MSLC_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mslc_library mslc_library;
typedef struct mslc_kernel mslc_kernel;

/* How to compile: see CompileOptions in mslc.h. Null `target` and `cpu` stand for this machine. */
typedef struct mslc_options {
  const char* target;
  const char* cpu;
  const char* const* include_directories;
  size_t include_directory_count;
} mslc_options;

/* The value of a [[function_constant(index)]]. */
typedef struct mslc_constant {
  uint32_t index;
  const void* bytes;
  size_t size;
} mslc_constant;

/* `options` may be null. */
MSLC_API mslc_library* mslc_library_compile(const char* source, const mslc_options* options, char* error, size_t error_size);
MSLC_API void mslc_library_release(mslc_library* library);

MSLC_API mslc_kernel* mslc_kernel_create(const mslc_library* library, const char* name, const mslc_constant* constants,
                                         size_t constant_count, char* error, size_t error_size);
MSLC_API void mslc_kernel_release(mslc_kernel* kernel);

/* Library::machine_code() of mslc.h: the caller frees it with free(). Writes its size. */
MSLC_API void* mslc_kernel_code(const mslc_library* library, const char* name, const mslc_constant* constants,
                                size_t constant_count, size_t* code_size, char* error, size_t error_size);

/* Runs all threadgroups of a grid on the calling thread. `buffers` and `threadgroup_bytes` have 31 entries; sizes are in
 * threads, x first. */
MSLC_API int mslc_kernel_execute(const mslc_kernel* kernel, const void* const* buffers, const size_t* threadgroup_bytes,
                                 const uint32_t threads_per_grid[3], const uint32_t threads_per_threadgroup[3],
                                 char* error, size_t error_size);

#ifdef __cplusplus
}
#endif
