// Kernels by name, instantiated on demand from the sources in kernels/ and kept for the process's life.
#pragma once

#include <Metal/Metal.hpp>
#include <c10/core/ScalarType.h>
#include <c10/util/ArrayRef.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace torch_metal {

/// An argument of a kernel, read off its signature.
struct KernelArgument {
  std::string name;
  unsigned index = 0;                             ///< among buffers, or among threadgroup memory
  bool is_threadgroup_memory = false;
  bool is_read_only = false;
  MTL::DataType data_type = MTL::DataTypeStruct;  ///< of a buffer's elements; Struct for all but scalars and vectors
  size_t size = 0;                                ///< bytes of an element
};

/// A compiled kernel: its pipeline and the argument table read off its signature.
struct Kernel {
  std::string name;                  ///< "unary_dense<exp_op, float, float>"
  MTL::ComputePipelineState* pipeline;  ///< owned by the library, never released
  unsigned argument_count;           ///< buffers that a launch must bind, indices 0..count-1
  std::vector<KernelArgument> arguments;
  uint32_t read_only = 0;  ///< bit i: buffer i is not written
};

/// How a source is compiled.
struct LibraryOptions {
  std::vector<std::pair<std::string, std::string>> macros;  ///< name, value
  bool fast_math = false;
};

/// The kernel `function<template_arguments...>` of kernels/<family>.metal; a plain function if there are no
/// arguments. Compiled at first use, afterwards a hash lookup. Throws c10::Error with the compiler's text.
const Kernel& kernel(std::string_view family, std::string_view function,
                     c10::ArrayRef<std::string_view> template_arguments = {});

/// What kernel() has made in this process, in no order: family and name.
std::vector<std::pair<std::string, std::string>> kernels_in_use();

/// Compiles a source that needs no file beside it. Throws c10::Error with the compiler's text. The caller owns it.
MTL::Library* compile_library(const std::string& source, const LibraryOptions& options = {});
/// A kernel of a compiled library, its function constants as given. Throws c10::Error for an unknown name.
/// Its machine code is kept for other processes by `key`, which stands for the source; without one it is not.
Kernel compile_kernel(MTL::Library* library, const std::string& name,
                      const MTL::FunctionConstantValues* constants = nullptr, const std::string& key = {});

/// The MSL spelling of a dtype: "float", "half", "bfloat", "long", "bool", "float2" for complex64 ...
/// Throws NotImplementedError for what no Apple GPU has (float64, complex128).
std::string_view metal_type(c10::ScalarType dtype);

}  // namespace torch_metal
