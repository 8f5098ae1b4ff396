#include "python/shader.h"

#include <pybind11/stl.h>
#include <torch/csrc/utils/pybind.h>

#include <map>
#include <mutex>
#include <optional>

#include "python/shader_arguments.h"
#include "runtime/device.h"
#include "runtime/flatten_source.h"
#include "runtime/launch.h"
#include "runtime/route.h"

namespace torch_metal {

namespace py = pybind11;

namespace {

// `arg_casts` is one cast for all numbers, or a dict from argument index to cast.
std::string cast_of(const py::object& arg_casts, size_t index) {
  if (arg_casts.is_none()) return {};
  if (py::isinstance<py::str>(arg_casts)) return arg_casts.cast<std::string>();
  if (!py::isinstance<py::dict>(arg_casts)) throw py::type_error("arg_casts is a str, or a dict from argument index to str");
  const auto casts = arg_casts.cast<std::map<size_t, std::string>>();
  const auto found = casts.find(index);
  return found == casts.end() ? std::string() : found->second;
}

uint64_t to_count(const py::handle& value, const char* what) {
  if (!py::isinstance<py::int_>(value))
    throw py::type_error(std::string(what) + " is an int or 1 to 3 of them, not " + std::string(py::repr(value)));
  const auto count = PyLong_AsLongLong(value.ptr());
  const bool too_large = PyErr_Occurred() || count > int64_t{1} << 31;
  PyErr_Clear();
  if (too_large || count < 0) throw py::value_error(std::string(what) + ": " + std::string(py::repr(value)) + " is not between 0 and 2^31");
  return static_cast<uint64_t>(count);
}

std::optional<Extent> to_extent(const py::object& value, const char* what) {
  if (value.is_none()) return std::nullopt;
  std::vector<uint64_t> sizes;
  if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value)) {
    for (const py::handle& size : py::reinterpret_borrow<py::sequence>(value)) sizes.push_back(to_count(size, what));
  } else {
    sizes.push_back(to_count(value, what));
  }
  TORCH_CHECK(!sizes.empty() && sizes.size() <= 3, what, " has 1 to 3 dimensions, not ", sizes.size());
  sizes.resize(3, 1);
  return Extent{sizes[0], sizes[1], sizes[2]};
}

/// A kernel that Python calls.
class ShaderKernel {
 public:
  explicit ShaderKernel(Kernel kernel) : kernel_(std::move(kernel)) {}

  void call(const py::args& args, const py::object& threads, const py::object& group_size, const py::object& arg_casts,
            const std::optional<size_t>& error_buf_idx, const py::object& threadgroup_memory) const {
    const size_t count = args.size() + error_buf_idx.has_value();
    TORCH_CHECK(count == kernel_.argument_count, "'", kernel_.name, "' takes ", kernel_.argument_count,
                " arguments, got ", count);
    TORCH_CHECK(!error_buf_idx || *error_buf_idx < count, "error_buf_idx: '", kernel_.name, "' has no argument ", *error_buf_idx);
    std::vector<ShaderArgument> arguments;
    for (size_t i = 0; i < args.size(); ++i) {
      const unsigned index = i + (error_buf_idx && i >= *error_buf_idx);
      arguments.push_back(to_shader_argument(args[i], buffer(index), cast_of(arg_casts, i), describe(buffer(index))));
    }
    const std::vector<ThreadgroupMemory> memory = to_threadgroup_memory(threadgroup_memory);
    const Extent grid = grid_for(arguments, to_extent(threads, "threads"));
    const Extent threadgroup = group_for(grid, to_extent(group_size, "group_size"));
    const py::gil_scoped_release no_gil;
    dispatch(arguments, error_buf_idx, memory, grid, threadgroup);
  }

  const Kernel& kernel() const { return kernel_; }
  uint64_t max_threads_per_threadgroup() const { return kernel_.pipeline->maxTotalThreadsPerThreadgroup(); }
  uint64_t thread_execution_width() const { return kernel_.pipeline->threadExecutionWidth(); }
  uint64_t static_thread_group_memory_length() const { return kernel_.pipeline->staticThreadgroupMemoryLength(); }

  /// (name, kind, index, type, size, read_only) of each argument.
  py::list arguments() const {
    py::list result;
    for (const KernelArgument& argument : kernel_.arguments) {
      const char* const kind = argument.is_threadgroup_memory ? "threadgroup" : "buffer";
      result.append(py::make_tuple(argument.name, kind, argument.index, type_name(argument.data_type), argument.size,
                                   argument.is_read_only));
    }
    return result;
  }

 private:
  std::string describe(const KernelArgument& argument) const {
    return "Argument " + std::to_string(argument.index) + " ('" + argument.name + "') of '" + kernel_.name + "'";
  }

  /// What the signature says of a buffer; indices that it leaves out have no type.
  KernelArgument buffer(unsigned index) const {
    for (const KernelArgument& argument : kernel_.arguments)
      if (!argument.is_threadgroup_memory && argument.index == index) return argument;
    return {"", index};
  }

  // An int is the size of [[threadgroup(0)]]; a dict has the sizes of several, by index.
  std::vector<ThreadgroupMemory> to_threadgroup_memory(const py::object& value) const {
    std::map<unsigned, size_t> sizes;
    if (py::isinstance<py::int_>(value)) {
      sizes[0] = to_count(value, "threadgroup_memory");
    } else if (py::isinstance<py::dict>(value)) {
      for (const auto& [index, size] : value.cast<py::dict>())
        sizes[to_count(index, "threadgroup_memory")] = to_count(size, "threadgroup_memory");
    } else if (!value.is_none()) {
      throw py::type_error("threadgroup_memory is an int, or a dict from index to int");
    }
    std::vector<ThreadgroupMemory> memory;
    for (const KernelArgument& argument : kernel_.arguments) {
      if (!argument.is_threadgroup_memory) continue;
      const auto size = sizes.find(argument.index);
      TORCH_CHECK(size != sizes.end() && size->second, "'", kernel_.name, "' needs threadgroup_memory: the bytes of '",
                  argument.name, "', [[threadgroup(", argument.index, ")]]");
      memory.push_back({size->second, argument.index});
      sizes.erase(size);
    }
    TORCH_CHECK(sizes.empty(), "'", kernel_.name, "' has no argument [[threadgroup(", sizes.begin()->first, ")]]");
    return memory;
  }

  static Extent grid_for(const std::vector<ShaderArgument>& arguments, const std::optional<Extent>& threads) {
    if (threads) return *threads;
    for (const ShaderArgument& argument : arguments)
      if (const auto* tensor = std::get_if<at::Tensor>(&argument)) return {static_cast<uint64_t>(tensor->numel())};
    TORCH_CHECK(false, "Give the number of threads: there is no tensor among the arguments to take it from");
  }

  Extent group_for(const Extent& grid, const std::optional<Extent>& group) const {
    const uint64_t limit = max_threads_per_threadgroup();
    const Extent size = group.value_or(Extent{std::min(std::max<uint64_t>(grid.x, 1), limit)});
    const bool fits = size.x <= limit && size.y <= limit && size.z <= limit && size.x * size.y * size.z <= limit;
    TORCH_CHECK(fits && size.x * size.y * size.z > 0, "A threadgroup of '", kernel_.name, "' has 1 to ", limit,
                " threads, not ", size.x, " x ", size.y, " x ", size.z);
    return size;
  }

  void dispatch(const std::vector<ShaderArgument>& arguments, const std::optional<size_t>& error_index,
                const std::vector<ThreadgroupMemory>& memory, const Extent& grid, const Extent& threadgroup) const {
    if (grid.x * grid.y * grid.z == 0) return;
    const OperatorScope scope(kernel_.name.c_str());
    const BufferRange errors = error_index ? error_buffer() : BufferRange{};
    detail::Dispatch dispatch(kernel_);
    for (size_t i = 0; i <= arguments.size(); ++i) {
      if (error_index == i) dispatch.bind(errors);
      if (i < arguments.size()) bind(dispatch, arguments[i]);
    }
    for (const ThreadgroupMemory& block : memory) dispatch.bind(block);
    dispatch.threads(grid, threadgroup);
  }

  static void bind(detail::Dispatch& dispatch, const ShaderArgument& argument) {
    if (const auto* tensor = std::get_if<at::Tensor>(&argument)) {
      dispatch.bind(*tensor);
    } else {
      const Bytes& bytes = std::get<Bytes>(argument);
      dispatch.bind_bytes(bytes.data(), bytes.size());
    }
  }

  const Kernel kernel_;
};

/// A compiled source; its kernels are its attributes.
class ShaderLibrary {
 public:
  ShaderLibrary(const std::string& source, const std::vector<std::string>& include_directories,
                const std::map<std::string, std::string>& macros, const py::dict& constants, bool fast_math) {
    {
      const py::gil_scoped_release no_gil;
      library_ = NS::TransferPtr(compile_library(flatten_source(source, "program_source", include_directories),
                                                 {{macros.begin(), macros.end()}, fast_math}));
    }
    constants_ = NS::TransferPtr(to_constants(constants));
  }
  ShaderLibrary(const ShaderLibrary&) = delete;
  ShaderLibrary& operator=(const ShaderLibrary&) = delete;

  std::vector<std::string> names() const {
    const AutoreleaseScope pool;
    std::vector<std::string> result;
    const NS::Array* const names = library_->functionNames();
    for (NS::UInteger i = 0; i < names->count(); ++i) result.emplace_back(names->object<NS::String>(i)->utf8String());
    return result;
  }

  /// Compiled when it is first asked for.
  std::shared_ptr<ShaderKernel> kernel(const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::shared_ptr<ShaderKernel>& kernel = kernels_[name];
    if (!kernel) kernel = std::make_shared<ShaderKernel>(compile_kernel(library_.get(), name, constants_.get()));
    return kernel;
  }

 private:
  MTL::FunctionConstantValues* to_constants(const py::dict& values) const {
    const AutoreleaseScope pool;
    const std::map<std::string, MTL::DataType> types = values.empty() ? std::map<std::string, MTL::DataType>{} : constant_types();
    std::vector<std::pair<std::string, Bytes>> converted;
    for (const auto& [key, value] : values) {
      const std::string name = py::str(key);
      const auto type = types.find(name);
      TORCH_CHECK_VALUE(type != types.end(), "The source has no function constant '", name, "'");
      converted.emplace_back(name, to_constant(value, type->second, "Function constant '" + name + "'"));
    }
    auto* const result = MTL::FunctionConstantValues::alloc()->init();
    for (const auto& [name, bytes] : converted)
      result->setConstantValue(bytes.data(), types.at(name), NS::String::string(name.c_str(), NS::UTF8StringEncoding));
    return result;
  }

  /// Of all kernels' function constants.
  std::map<std::string, MTL::DataType> constant_types() const {
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
  NS::SharedPtr<MTL::FunctionConstantValues> constants_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<ShaderKernel>> kernels_;
};

std::shared_ptr<ShaderKernel> find_kernel(ShaderLibrary& library, const std::string& name) {
  const auto names = library.names();
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw py::attribute_error("The shader has no kernel '" + name + "'");
  const py::gil_scoped_release no_gil;
  return library.kernel(name);
}

}  // namespace

void define_shader(py::module_& m) {
  py::class_<ShaderKernel, std::shared_ptr<ShaderKernel>>(m, "ShaderKernel", "A kernel of a library; call it with its arguments.")
      .def("__call__", &ShaderKernel::call, py::kw_only(), py::arg("threads") = py::none(),
           py::arg("group_size") = py::none(), py::arg("arg_casts") = py::none(), py::arg("error_buf_idx") = py::none(),
           py::arg("threadgroup_memory") = py::none(), "See torch_metal.compile_shader.")
      .def_property_readonly("name", [](const ShaderKernel& kernel) { return kernel.kernel().name; })
      .def_property_readonly("arguments", &ShaderKernel::arguments)
      .def_property_readonly("max_threads_per_threadgroup", &ShaderKernel::max_threads_per_threadgroup)
      .def_property_readonly("thread_execution_width", &ShaderKernel::thread_execution_width)
      .def_property_readonly("static_thread_group_memory_length", &ShaderKernel::static_thread_group_memory_length);
  py::class_<ShaderLibrary, std::shared_ptr<ShaderLibrary>>(m, "ShaderLibrary", "A compiled source; its kernels are its attributes.")
      .def(py::init<const std::string&, const std::vector<std::string>&, const std::map<std::string, std::string>&,
                    const py::dict&, bool>())
      .def("__getattr__", &find_kernel)
      .def("__dir__", &ShaderLibrary::names);
}

}  // namespace torch_metal
