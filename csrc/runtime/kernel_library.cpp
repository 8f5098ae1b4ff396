#include "runtime/kernel_library.h"

#include <ATen/core/Formatting.h>
#include <c10/util/Exception.h>
#include <c10/util/hash.h>

#include <functional>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "metal/platform.h"
#include "runtime/device.h"
#include "runtime/embedded_files.h"
#include "runtime/flatten_source.h"

namespace torch_metal {

namespace {

/// "family:function<arguments>", valid until the thread's next call: lookups allocate nothing.
std::string_view key_of(std::string_view family, std::string_view function,
                        c10::ArrayRef<std::string_view> arguments) {
  static thread_local std::string key;
  key.assign(family).append(1, ':').append(function);
  for (size_t i = 0; i < arguments.size(); ++i) key.append(i ? ", " : "<").append(arguments[i]);
  if (!arguments.empty()) key += '>';
  return key;
}

/// Hashes keys that are not strings yet.
struct KeyHash {
  using is_transparent = void;
  size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};

std::string instantiation(const std::string& name) {
  return "\ntemplate [[host_name(\"" + name + "\")]] [[kernel]] decltype(" + name + ") " + name + ";\n";
}

NS::String* metal_string(const std::string& text) { return NS::String::string(text.c_str(), NS::UTF8StringEncoding); }

class KernelLibrary {
 public:
  const Kernel& get(std::string_view family, std::string_view function, c10::ArrayRef<std::string_view> arguments) {
    const std::string_view key = key_of(family, function, arguments);
    if (const Kernel* const found = find(key)) return *found;
    return make(family, std::string(key), /*is_instance=*/!arguments.empty());
  }

  std::vector<std::pair<std::string, std::string>> names() {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    std::vector<std::pair<std::string, std::string>> names;
    for (const auto& [key, kernel] : kernels_) names.emplace_back(key.substr(0, key.find(':')), kernel.name);
    return names;
  }

 private:
  struct Source {
    std::string text, hash;
    NS::SharedPtr<MTL::Library> precompiled;  ///< null if there is none
  };

  const Kernel* find(std::string_view key) {
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    const auto found = kernels_.find(key);
    return found == kernels_.end() ? nullptr : &found->second;
  }

  const Kernel& make(std::string_view family, const std::string& key, bool is_instance) {
    // One at a time: a second thread that wants the same kernel finds it made.
    const std::lock_guard<std::mutex> compiling(compile_mutex_);
    if (const Kernel* const found = find(key)) return *found;
    const std::string name = key.substr(family.size() + 1);
    const Source& source = family_source(family);
    const auto library = library_with(source, name, is_instance);
    Kernel kernel = compile_kernel(library.get(), name, nullptr, c10::sha1(source.hash + name).str());
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    return kernels_.emplace(key, std::move(kernel)).first->second;
  }

  /// A library that has a kernel: one compiled ahead of time, or from source.
  static NS::SharedPtr<MTL::Library> library_with(const Source& source, const std::string& name, bool is_instance) {
    const AutoreleaseScope pool;
    if (source.precompiled && NS::TransferPtr(source.precompiled->newFunction(metal_string(name))))
      return source.precompiled;
    return NS::TransferPtr(compile_library(is_instance ? source.text + instantiation(name) : source.text));
  }

  const Source& family_source(std::string_view family) {
    Source& source = sources_[std::string(family)];
    if (source.text.empty()) {
      const std::string name = std::string(family) + ".metal";
      const EmbeddedFile* const file = find_embedded_file(name);
      TORCH_INTERNAL_ASSERT(file, "there is no kernels/", name);
      const std::string text = flatten_source({file->text, file->size}, name);
      source = {text, c10::sha1(text).str(),  // all of it or nothing: the device may throw
                NS::TransferPtr(precompiled_library(device(), std::string(family)))};
    }
    return source;
  }

  std::shared_mutex mutex_;
  std::mutex compile_mutex_;
  std::unordered_map<std::string, Kernel, KeyHash, std::equal_to<>> kernels_;  ///< by key_of; nodes never move
  std::unordered_map<std::string, Source> sources_;
};

// Never destroyed: threads may launch kernels until the process ends.
KernelLibrary& kernel_library() {
  static auto* const library = new KernelLibrary();
  return *library;
}

std::string error_text(const NS::Error* error) {
  return error ? error->localizedDescription()->utf8String() : "no reason given";
}

// What the signature names: buffers and threadgroup memory.
std::vector<KernelArgument> arguments_of(const MTL::ComputePipelineReflection* reflection) {
  std::vector<KernelArgument> arguments;
  const NS::Array* const bindings = reflection->bindings();
  for (NS::UInteger i = 0; i < bindings->count(); ++i) {
    const auto* const binding = bindings->object<MTL::Binding>(i);
    KernelArgument argument{binding->name()->utf8String(), static_cast<unsigned>(binding->index())};
    if (binding->type() == MTL::BindingTypeBuffer) {
      const auto* const buffer = bindings->object<MTL::BufferBinding>(i);
      argument.data_type = buffer->bufferDataType();
      argument.size = buffer->bufferDataSize();
      argument.is_read_only = buffer->access() == MTL::BindingAccessReadOnly;
    } else if (binding->type() == MTL::BindingTypeThreadgroupMemory) {
      const auto* const memory = bindings->object<MTL::ThreadgroupBinding>(i);
      argument.is_threadgroup_memory = true;
      argument.size = memory->threadgroupMemoryDataSize();
    }
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

// Buffers that a launch must bind: one past the highest index.
unsigned buffer_count(const std::vector<KernelArgument>& arguments) {
  unsigned count = 0;
  for (const KernelArgument& argument : arguments)
    if (!argument.is_threadgroup_memory) count = std::max(count, argument.index + 1);
  return count;
}

uint32_t read_only_buffers(const std::vector<KernelArgument>& arguments) {
  uint32_t mask = 0;
  for (const KernelArgument& argument : arguments)
    if (!argument.is_threadgroup_memory && argument.is_read_only) mask |= uint32_t{1} << argument.index;
  return mask;
}

NS::Dictionary* metal_dictionary(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::vector<const NS::Object*> keys, values;
  for (const auto& [key, value] : entries) {
    keys.push_back(metal_string(key));
    values.push_back(metal_string(value));
  }
  return NS::Dictionary::dictionary(values.data(), keys.data(), keys.size());
}

}  // namespace

const Kernel& kernel(std::string_view family, std::string_view function,
                     c10::ArrayRef<std::string_view> template_arguments) {
  return kernel_library().get(family, function, template_arguments);
}

std::vector<std::pair<std::string, std::string>> kernels_in_use() { return kernel_library().names(); }

MTL::Library* compile_library(const std::string& source, const LibraryOptions& options) {
  const AutoreleaseScope pool;
  const auto metal_options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
  metal_options->setFastMathEnabled(options.fast_math);
  metal_options->setLanguageVersion(MTL::LanguageVersion3_1);
  if (!options.macros.empty()) metal_options->setPreprocessorMacros(metal_dictionary(options.macros));
  NS::Error* error = nullptr;
  MTL::Library* const library = device()->newLibrary(metal_string(source), metal_options.get(), &error);
  TORCH_CHECK(library, "Failed to compile Metal source:\n", error_text(error));
  return library;
}

Kernel compile_kernel(MTL::Library* library, const std::string& name, const MTL::FunctionConstantValues* constants,
                      const std::string& key) {
  const AutoreleaseScope pool;
  MTL::Device* const metal = device();
  NS::Error* error = nullptr;
  MTL::Function* const function = constants ? library->newFunction(metal_string(name), constants, &error)
                                            : library->newFunction(metal_string(name));
  TORCH_CHECK(function, "The Metal library has no kernel '", name, "', or Metal cannot load it",
              error ? ": " + error_text(error) : "");
  MTL::ComputePipelineReflection* reflection = nullptr;
  MTL::ComputePipelineState* const pipeline =
      new_kept_pipeline(metal, function, key, &reflection, &error);
  function->release();
  TORCH_CHECK(pipeline, "Failed to make the Metal kernel '", name, "': ", error_text(error));
  std::vector<KernelArgument> arguments = arguments_of(reflection);
  const unsigned count = buffer_count(arguments);
  const uint32_t read_only = read_only_buffers(arguments);
  return {name, pipeline, count, std::move(arguments), read_only};
}

std::string_view metal_type(c10::ScalarType dtype) {
  switch (dtype) {
    case c10::ScalarType::Bool: return "bool";
    case c10::ScalarType::Byte: return "uchar";
    case c10::ScalarType::Char: return "char";
    case c10::ScalarType::Short: return "short";
    case c10::ScalarType::UInt16: return "ushort";
    case c10::ScalarType::Int: return "int";
    case c10::ScalarType::UInt32: return "uint";
    case c10::ScalarType::Long: return "long";
    case c10::ScalarType::UInt64: return "ulong";
    case c10::ScalarType::Half: return "half";
    case c10::ScalarType::BFloat16: return "bfloat";
    case c10::ScalarType::Float: return "float";
    case c10::ScalarType::ComplexHalf: return "half2";
    case c10::ScalarType::ComplexFloat: return "float2";
    default: TORCH_CHECK_NOT_IMPLEMENTED(false, "The metal device has no kernels for ", dtype);
  }
}

}  // namespace torch_metal
