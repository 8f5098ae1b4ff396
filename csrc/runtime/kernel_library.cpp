#include "runtime/kernel_library.h"

#include <ATen/core/Formatting.h>
#include <c10/util/Exception.h>

#include <mutex>
#include <set>
#include <shared_mutex>
#include <unordered_map>

#include "runtime/device.h"
#include "runtime/embedded_files.h"

namespace torch_metal {

namespace {

std::string kernel_name(std::string_view function, c10::ArrayRef<std::string_view> arguments) {
  std::string name(function);
  for (size_t i = 0; i < arguments.size(); ++i) name.append(i ? ", " : "<").append(arguments[i]);
  return arguments.empty() ? name : name + '>';
}

std::string instantiation(const std::string& name) {
  return "\ntemplate [[host_name(\"" + name + "\")]] [[kernel]] decltype(" + name + ") " + name + ";\n";
}

class KernelLibrary {
 public:
  const Kernel& get(std::string_view family, std::string_view function, c10::ArrayRef<std::string_view> arguments) {
    std::string name = kernel_name(function, arguments);
    const std::string key = std::string(family) + ':' + name;
    {
      const std::shared_lock<std::shared_mutex> lock(mutex_);
      if (const auto found = kernels_.find(key); found != kernels_.end()) return found->second;
    }
    // One at a time: a second thread that wants the same kernel finds it made.
    const std::lock_guard<std::mutex> compiling(compile_mutex_);
    {
      const std::shared_lock<std::shared_mutex> lock(mutex_);
      if (const auto found = kernels_.find(key); found != kernels_.end()) return found->second;
    }
    std::string source = family_source(family);
    if (!arguments.empty()) source += instantiation(name);
    Kernel kernel = compile_kernel(compile_library(source), name);
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    return kernels_.emplace(key, std::move(kernel)).first->second;
  }

 private:
  const std::string& family_source(std::string_view family) {
    std::string& source = sources_[std::string(family)];
    if (source.empty()) {
      const std::string name = std::string(family) + ".metal";
      const EmbeddedFile* const file = find_embedded_file(name);
      TORCH_INTERNAL_ASSERT(file, "there is no kernels/", name);
      source = flatten_source({file->text, file->size}, name);
    }
    return source;
  }

  std::shared_mutex mutex_;
  std::mutex compile_mutex_;
  std::unordered_map<std::string, Kernel> kernels_;  ///< by "family:name"; nodes never move
  std::unordered_map<std::string, std::string> sources_;
};

// Expands embedded includes. Names the file and line of what follows, so that diagnostics speak of the real files.
class Flattener {
 public:
  std::string run(std::string_view source, std::string_view name) {
    append(source, name);
    return std::move(text_);
  }

 private:
  void append(std::string_view source, std::string_view name) {
    mark(1, name);
    size_t line_number = 0;
    while (!source.empty()) {
      const size_t end = std::min(source.find('\n'), source.size() - 1) + 1;
      const std::string_view line = source.substr(0, end);
      source.remove_prefix(end);
      ++line_number;
      if (line.starts_with("#pragma once")) {
        text_ += '\n';
      } else if (const EmbeddedFile* file = included_file(line)) {
        if (!seen_.insert(file->name).second) {
          text_ += '\n';
          continue;
        }
        append({file->text, file->size}, file->name);
        mark(line_number + 1, name);
      } else {
        text_ += line;
      }
    }
    if (!text_.ends_with('\n')) text_ += '\n';
  }

  void mark(size_t line, std::string_view name) {
    text_.append("#line ").append(std::to_string(line)).append(" \"").append(name).append("\"\n");
  }

  // The embedded file that an #include line names, if it does.
  static const EmbeddedFile* included_file(std::string_view line) {
    static constexpr std::string_view kBlank = " \t";
    const auto skip_blank = [&] { line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size())); };
    skip_blank();
    if (!line.starts_with('#')) return nullptr;
    line.remove_prefix(1);
    skip_blank();
    if (!line.starts_with("include")) return nullptr;
    line.remove_prefix(7);
    skip_blank();
    if (line.empty() || (line[0] != '"' && line[0] != '<')) return nullptr;
    const size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
    return end == std::string_view::npos ? nullptr : find_embedded_file(line.substr(1, end - 1));
  }

  std::string text_;
  std::set<std::string_view> seen_;
};

std::string error_text(const NS::Error* error) {
  return error ? error->localizedDescription()->utf8String() : "no reason given";
}

// Buffers that a launch must bind: one past the highest index that the kernel's signature names.
unsigned argument_count(const MTL::ComputePipelineReflection* reflection) {
  unsigned count = 0;
  const NS::Array* const bindings = reflection->bindings();
  for (NS::UInteger i = 0; i < bindings->count(); ++i) {
    const auto* const binding = bindings->object<MTL::Binding>(i);
    if (binding->type() == MTL::BindingTypeBuffer) count = std::max(count, static_cast<unsigned>(binding->index()) + 1);
  }
  return count;
}

}  // namespace

const Kernel& kernel(std::string_view family, std::string_view function,
                     c10::ArrayRef<std::string_view> template_arguments) {
  static auto* const library = new KernelLibrary();
  return library->get(family, function, template_arguments);
}

MTL::Library* compile_library(const std::string& source) {
  const AutoreleaseScope pool;
  auto* const options = MTL::CompileOptions::alloc()->init();
  options->setFastMathEnabled(false);
  options->setLanguageVersion(MTL::LanguageVersion3_1);
  NS::Error* error = nullptr;
  MTL::Library* const library =
      device()->newLibrary(NS::String::string(source.c_str(), NS::UTF8StringEncoding), options, &error);
  options->release();
  TORCH_CHECK(library, "Failed to compile Metal source:\n", error_text(error));
  return library;
}

Kernel compile_kernel(MTL::Library* library, const std::string& name) {
  const AutoreleaseScope pool;
  MTL::Function* const function = library->newFunction(NS::String::string(name.c_str(), NS::UTF8StringEncoding));
  TORCH_CHECK(function, "The Metal library has no kernel '", name, "'");
  NS::Error* error = nullptr;
  MTL::ComputePipelineReflection* reflection = nullptr;
  MTL::ComputePipelineState* const pipeline =
      device()->newComputePipelineState(function, MTL::PipelineOptionArgumentInfo, &reflection, &error);
  function->release();
  TORCH_CHECK(pipeline, "Failed to make the Metal kernel '", name, "': ", error_text(error));
  return {name, pipeline, argument_count(reflection)};
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

std::string flatten_source(std::string_view source, std::string_view name) { return Flattener().run(source, name); }

}  // namespace torch_metal
