// mslc: Metal Shading Language compiled for the CPU.
//
// One Metal SIMD-group (32 lanes) becomes one vector thread. A Library is translated source; a Kernel is
// machine code for one of its functions. This header is all that the software device sees of the compiler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mslc {

/// Lanes of a SIMD-group: MTLComputePipelineState.threadExecutionWidth.
inline constexpr unsigned kSimdWidth = 32;
/// Threads a threadgroup may hold: MTLComputePipelineState.maxTotalThreadsPerThreadgroup.
inline constexpr unsigned kMaxThreadsPerThreadgroup = 1024;
/// Entries of the buffer argument table, as on every Apple GPU.
inline constexpr unsigned kMaxBuffers = 31;

/// Source that is not valid MSL. what() is the compiler's text: file, line, column, caret.
class CompileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How to translate a source. Everything here is part of the cache key.
struct CompileOptions {
  std::vector<std::string> include_directories;             ///< searched for "x.h" and <x.h>
  std::vector<std::pair<std::string, std::string>> macros;  ///< name, value
  bool fast_math = false;                                   ///< MTLCompileOptions.mathMode fast
  bool validate = false;                                    ///< check memory accesses and barriers: see Launch::buffer_bytes
  std::string file_name = "program_source";                 ///< what diagnostics call the source
  std::string cpu;                                          ///< LLVM's name of the target CPU; empty: this one
  std::string target;                                       ///< LLVM's target triple; empty: this machine
};

enum class ArgumentKind {
  Buffer,             ///< device or constant pointer or reference: an index of the buffer table
  ThreadgroupMemory,  ///< threadgroup pointer: an index of the threadgroup memory table
  BuiltIn,            ///< [[thread_position_in_grid]] and its kin: filled in by the executor
};

/// One parameter of a kernel, read off its signature.
struct Argument {
  std::string name;       ///< as in the source
  std::string type;       ///< as in the source: "device const float*", "uint3"
  std::string attribute;  ///< BuiltIn: "thread_position_in_grid"; empty otherwise
  ArgumentKind kind = ArgumentKind::Buffer;
  unsigned index = 0;      ///< in its table
  size_t size = 0;         ///< bytes of the pointee (of the value, for a BuiltIn)
  size_t alignment = 0;    ///< of the pointee
  bool read_only = false;  ///< constant, or pointer to const
};

/// A [[function_constant(index)]] of the source.
struct FunctionConstant {
  std::string name;
  std::string type;  ///< MSL scalar or vector name: "bool", "float2"
  unsigned index = 0;
  size_t size = 0;
};

struct KernelInfo {
  std::string name;  ///< host_name if given
  std::vector<Argument> arguments;
  unsigned max_threads_per_threadgroup = kMaxThreadsPerThreadgroup;
};

/// Values given to function constants, by index; bytes in the constant's own type.
using ConstantValues = std::map<unsigned, std::vector<uint8_t>>;

/// The shape of a grid and what it works on. Sizes are in threads, x first.
struct Launch {
  const void* const* buffers = nullptr;        ///< host addresses, by index, up to the highest that the kernel has
  const size_t* threadgroup_memory = nullptr;  ///< bytes for each [[threadgroup(i)]] argument, by index
  uint32_t threads_per_grid[3] = {1, 1, 1};    ///< need not be a multiple of the threadgroup: edge groups are partial
  uint32_t threads_per_threadgroup[3] = {1, 1, 1};

  // What kernels compiled with CompileOptions::validate are told besides.
  const size_t* buffer_bytes = nullptr;  ///< bytes at each address of `buffers`; null if they are not known
  const size_t* buffer_offsets = nullptr;  ///< bytes of the same buffer before each address; null: none
  /// Whether kernels may access these bytes though they are in none of `buffers`; null: none.
  bool (*is_accessible)(const void* address, size_t bytes) = nullptr;
};

/// What a validating kernel did wrong, thrown when all its threadgroups have run. what() names the kernel, and for each
/// fault the source line, the thread and the memory.
class ValidationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A kernel was stopped because it accessed memory that the process does not have, or ran for longer than
/// TORCH_METAL_TIME_LIMIT. What it has written until then stays. what() names the kernel.
class ExecutionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Machine code of one kernel. Immutable; any number of threads may execute it at once.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual const KernelInfo& info() const = 0;
  /// Bytes of threadgroup variables declared in the kernel.
  virtual size_t static_threadgroup_bytes() const = 0;
  /// Compiled with CompileOptions::validate. Data races are found among the threadgroups of one call of execute().
  virtual bool validates() const = 0;
  /// Runs threadgroups [first, last) of the grid on the calling thread, counted x fastest. Throws ExecutionError and
  /// ValidationError.
  virtual void execute(const Launch& launch, uint64_t first, uint64_t last) const = 0;
};

/// A kernel's code on its way to the CPU, for people to read.
enum class CodeForm {
  ThreadIr,     ///< LLVM IR of one thread, optimised, before vectorising
  SimdgroupIr,  ///< LLVM IR of a SIMD-group, optimised
  Assembly,     ///< of the target CPU
  Object,       ///< ELF relocatable
};

/// A kernel that Library::machine_code() made bytes of. Throws std::runtime_error if they are not such bytes or not code
/// for this machine. Needs the executor alone, neither clang nor LLVM.
std::shared_ptr<const Kernel> load_machine_code(std::string_view bytes);

/// Number of threadgroups in the launch's grid.
uint64_t threadgroup_count(const Launch& launch);

/// A translated source, before function constants have values.
class Library {
 public:
  virtual ~Library() = default;
  /// Translates `source`. Throws CompileError. Uses the cache on disk.
  static std::shared_ptr<Library> compile(std::string_view source, const CompileOptions& options = {});

  virtual const std::vector<KernelInfo>& kernels() const = 0;
  virtual const std::vector<FunctionConstant>& function_constants() const = 0;
  /// Machine code of one kernel. Throws std::out_of_range for an unknown name, CompileError if code cannot be made.
  virtual std::shared_ptr<const Kernel> kernel(const std::string& name, const ConstantValues& constants = {}) const = 0;
  /// The code of one kernel in one form. Throws as kernel() does.
  virtual std::string code(const std::string& name, CodeForm form, const ConstantValues& constants = {}) const = 0;
  /// The kernel as bytes, for the executor of another machine (see CompileOptions::target), which load_machine_code()
  /// makes a Kernel of. Throws as kernel() does.
  virtual std::string machine_code(const std::string& name, const ConstantValues& constants = {}) const = 0;
};

/// Compiler, version and target: "mslc 0.1 (LLVM 19.1.7, x86-64 znver4)".
std::string version();
/// The cache folder: TORCH_METAL_CACHE_DIR, else $XDG_CACHE_HOME/torch_metal, else ~/.cache/torch_metal.
std::string cache_directory();
/// Removes what the cache holds. Returns the bytes freed.
uint64_t clear_cache();

}  // namespace mslc
