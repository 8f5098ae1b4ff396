// torch_metal.compile_shader's libraries and kernels: torch.classes.torch_metal.ShaderLibrary and ShaderKernel.
// torch_metal/shader.py turns what users give into what these take.
#include "python/shader.h"

#include <torch/custom_class.h>

#include <map>
#include <mutex>

#include "runtime/device.h"
#include "runtime/flatten_source.h"
#include "runtime/route.h"

namespace torch_metal {

namespace {

struct ScalarName {
  MTL::DataType type;  ///< vectors of 2, 3 and 4 follow in Metal's numbering
  const char* name;
};

constexpr ScalarName kScalarNames[] = {
    {MTL::DataTypeFloat, "float"}, {MTL::DataTypeHalf, "half"},     {MTL::DataTypeBFloat, "bfloat"},
    {MTL::DataTypeChar, "char"},   {MTL::DataTypeUChar, "uchar"},   {MTL::DataTypeShort, "short"},
    {MTL::DataTypeInt, "int"},     {MTL::DataTypeUShort, "ushort"}, {MTL::DataTypeUInt, "uint"},
    {MTL::DataTypeLong, "long"},   {MTL::DataTypeULong, "ulong"},   {MTL::DataTypeBool, "bool"},
};

/// MSL's name of a scalar or vector type: "float3"; "struct" for all else.
std::string type_name(MTL::DataType type) {
  for (const ScalarName& scalar : kScalarNames) {
    if (type == scalar.type) return scalar.name;
    if (type > scalar.type && type <= scalar.type + 3) return scalar.name + std::to_string(type - scalar.type + 1);
  }
  return "struct";
}

/// A kernel that Python calls.
struct ShaderKernel : torch::CustomClassHolder {
  explicit ShaderKernel(Kernel compiled) : kernel(std::move(compiled)) {}

  /// (name, kind, index, type, size, read_only) of each argument.
  using Arguments = std::vector<std::tuple<std::string, std::string, int64_t, std::string, int64_t, bool>>;
  Arguments arguments() const {
    Arguments result;
    for (const KernelArgument& argument : kernel.arguments)
      result.emplace_back(argument.name, argument.is_threadgroup_memory ? "threadgroup" : "buffer", argument.index,
                          type_name(argument.data_type), argument.size, argument.is_read_only);
    return result;
  }

  const Kernel kernel;
};

/// A compiled source.
class ShaderLibrary : public torch::CustomClassHolder {
 public:
  ShaderLibrary(const std::string& source, const std::vector<std::string>& include_directories,
                const c10::Dict<std::string, std::string>& macros, bool fast_math) {
    LibraryOptions options{{}, fast_math};
    for (const auto& macro : macros) options.macros.emplace_back(macro.key(), macro.value());
    library_ = NS::TransferPtr(
        compile_library(flatten_source(source, "program_source", include_directories), options));
  }

  std::vector<std::string> names() const {
    const AutoreleaseScope pool;
    std::vector<std::string> result;
    const NS::Array* const names = library_->functionNames();
    for (NS::UInteger i = 0; i < names->count(); ++i) result.emplace_back(names->object<NS::String>(i)->utf8String());
    return result;
  }

  /// The type of each function constant of any kernel, by name.
  c10::Dict<std::string, std::string> constant_types() const {
    c10::Dict<std::string, std::string> result;
    for (const auto& [name, type] : constants()) result.insert(name, type_name(type));
    return result;
  }

  /// Gives function constants their values, of whose types the bytes are. Before any kernel is asked for.
  void set_constants(const c10::Dict<std::string, std::string>& values) {
    const AutoreleaseScope pool;
    const std::map<std::string, MTL::DataType> types = constants();
    for (const auto& value : values)
      constants_->setConstantValue(value.value().data(), types.at(value.key()),
                                   NS::String::string(value.key().c_str(), NS::UTF8StringEncoding));
  }

  /// Compiled when it is first asked for.
  c10::intrusive_ptr<ShaderKernel> kernel(const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    c10::intrusive_ptr<ShaderKernel>& kernel = kernels_[name];
    if (!kernel) kernel = c10::make_intrusive<ShaderKernel>(compile_kernel(library_.get(), name, constants_.get()));
    return kernel;
  }

 private:
  std::map<std::string, MTL::DataType> constants() const {
    const AutoreleaseScope pool;
    std::map<std::string, MTL::DataType> types;
    const NS::Array* const names = library_->functionNames();
    for (NS::UInteger i = 0; i < names->count(); ++i) {
      const auto function = NS::TransferPtr(library_->newFunction(names->object<NS::String>(i)));
      TORCH_CHECK(function, "Metal cannot load the kernel '", names->object<NS::String>(i)->utf8String(), "'");
      const NS::Dictionary* const constants = function->functionConstantsDictionary();
      auto* const keys = constants->keyEnumerator<NS::String>();
      while (const NS::String* const key = keys->nextObject())
        types[key->utf8String()] = constants->object<MTL::FunctionConstant>(key)->type();
    }
    return types;
  }

  NS::SharedPtr<MTL::Library> library_;
  // Also where there are none: Metal says why it cannot make a function only where it is given constants.
  NS::SharedPtr<MTL::FunctionConstantValues> constants_ = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  std::mutex mutex_;
  std::map<std::string, c10::intrusive_ptr<ShaderKernel>> kernels_;
};

void check_is_on_metal(const at::Tensor& tensor, const Kernel& kernel, unsigned index) {
  if (tensor.is_privateuseone()) return;
  std::string name;
  for (const KernelArgument& argument : kernel.arguments)
    if (!argument.is_threadgroup_memory && argument.index == index) name = argument.name;
  TORCH_CHECK(false, "Argument ", index, " ('", name, "') of '", kernel.name,
              "': expected a tensor on metal, got one on ", tensor.device());
}

Extent grid_of(const ShaderCall& call) {
  if (call.grid) return *call.grid;
  for (const ShaderArgument& argument : call.arguments)
    if (const auto* tensor = std::get_if<at::Tensor>(&argument)) return {static_cast<uint64_t>(tensor->numel())};
  TORCH_CHECK(false, "Give the number of threads: there is no tensor among the arguments to take it from");
}

Extent threadgroup_of(const ShaderCall& call, const Kernel& kernel, const Extent& grid) {
  const uint64_t limit = kernel.pipeline->maxTotalThreadsPerThreadgroup();
  const Extent size = call.threadgroup.value_or(Extent{std::min(std::max<uint64_t>(grid.x, 1), limit)});
  const bool fits = size.x <= limit && size.y <= limit && size.z <= limit && size.x * size.y * size.z <= limit;
  TORCH_CHECK(fits && size.x * size.y * size.z > 0, "A threadgroup of '", kernel.name, "' has 1 to ", limit,
              " threads, not ", size.x, " x ", size.y, " x ", size.z);
  return size;
}

using Self = c10::intrusive_ptr<ShaderKernel>;

int64_t number(NS::UInteger value) { return static_cast<int64_t>(value); }

}  // namespace

void launch(const ShaderCall& call) {
  const Kernel& kernel = reinterpret_cast<const ShaderKernel*>(call.kernel)->kernel;
  bool reports_errors = false;
  for (unsigned i = 0; i < call.arguments.size(); ++i) {
    if (const auto* tensor = std::get_if<at::Tensor>(&call.arguments[i])) check_is_on_metal(*tensor, kernel, i);
    reports_errors |= std::holds_alternative<ErrorBuffer>(call.arguments[i]);
  }
  const Extent grid = grid_of(call);
  const Extent threadgroup = threadgroup_of(call, kernel, grid);
  if (grid.x * grid.y * grid.z == 0) return;

  const OperatorScope scope(kernel.name.c_str());
  const BufferRange errors = reports_errors ? error_buffer() : BufferRange{};
  detail::Dispatch dispatch(kernel);
  dispatch.may_take_long();
  for (const ShaderArgument& argument : call.arguments) {
    if (const auto* tensor = std::get_if<at::Tensor>(&argument)) {
      dispatch.bind(*tensor);
    } else if (const auto* bytes = std::get_if<std::string_view>(&argument)) {
      dispatch.bind_bytes(bytes->data(), bytes->size());
    } else {
      dispatch.bind(errors);
    }
  }
  auto memory = call.memory.begin();
  for (const KernelArgument& argument : kernel.arguments)
    if (argument.is_threadgroup_memory) dispatch.bind(ThreadgroupMemory{*memory++, argument.index});
  dispatch.threads(grid, threadgroup);
}

TORCH_LIBRARY_FRAGMENT(torch_metal, m) {
  m.class_<ShaderKernel>("ShaderKernel")
      .def("address", [](const Self& self) { return reinterpret_cast<int64_t>(self.get()); })
      .def("name", [](const Self& self) { return self->kernel.name; })
      .def("arguments", &ShaderKernel::arguments)
      .def("argument_count", [](const Self& self) { return number(self->kernel.argument_count); })
      .def("max_threads_per_threadgroup",
           [](const Self& self) { return number(self->kernel.pipeline->maxTotalThreadsPerThreadgroup()); })
      .def("thread_execution_width",
           [](const Self& self) { return number(self->kernel.pipeline->threadExecutionWidth()); })
      .def("static_thread_group_memory_length",
           [](const Self& self) { return number(self->kernel.pipeline->staticThreadgroupMemoryLength()); });
  m.class_<ShaderLibrary>("ShaderLibrary")
      .def(torch::init<const std::string&, const std::vector<std::string>&, const c10::Dict<std::string, std::string>&,
                       bool>())
      .def("names", &ShaderLibrary::names)
      .def("constant_types", &ShaderLibrary::constant_types)
      .def("set_constants", &ShaderLibrary::set_constants)
      .def("kernel", &ShaderLibrary::kernel);
}

}  // namespace torch_metal
