#include "python/shader.h"

#include <pybind11/stl.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/pybind.h>

#include <map>
#include <optional>
#include <variant>

#include "runtime/launch.h"
#include "runtime/route.h"

namespace torch_metal {

namespace py = pybind11;

namespace {

using Bytes = std::vector<char>;
using Argument = std::variant<at::Tensor, Bytes>;

template <class T>
void append(Bytes& bytes, T value) {
  const auto* const data = reinterpret_cast<const char*>(&value);
  bytes.insert(bytes.end(), data, data + sizeof(value));
}

// Appends a Python number as `cast` says: "int32", "fp16", ...; without it bool, int64 or float.
void append_number(Bytes& bytes, const py::handle& value, const std::string& cast) {
  if (cast.empty()) {
    if (py::isinstance<py::bool_>(value)) return append(bytes, value.cast<bool>());
    if (py::isinstance<py::int_>(value)) return append(bytes, value.cast<int64_t>());
    if (py::isinstance<py::float_>(value)) return append(bytes, value.cast<float>());
    throw py::type_error("A kernel takes tensors, numbers, and lists of numbers; not " +
                         py::str(py::type::of(value)).cast<std::string>());
  }
  if (cast == "int64") return append(bytes, value.cast<int64_t>());
  if (cast == "int32") return append(bytes, value.cast<int32_t>());
  if (cast == "int16") return append(bytes, value.cast<int16_t>());
  if (cast == "int8") return append(bytes, value.cast<int8_t>());
  if (cast == "uint64") return append(bytes, value.cast<uint64_t>());
  if (cast == "uint32") return append(bytes, value.cast<uint32_t>());
  if (cast == "uint16") return append(bytes, value.cast<uint16_t>());
  if (cast == "uint8") return append(bytes, value.cast<uint8_t>());
  if (cast == "fp32") return append(bytes, value.cast<float>());
  if (cast == "fp16") return append(bytes, c10::Half(value.cast<float>()));
  if (cast == "bf16") return append(bytes, c10::BFloat16(value.cast<float>()));
  throw py::value_error("Unknown cast '" + cast + "' of a kernel argument");
}

Argument to_argument(const py::handle& value, const std::string& cast) {
  if (THPVariable_Check(value.ptr())) {
    const at::Tensor tensor = THPVariable_Unpack(value.ptr());
    if (!tensor.is_cpu() || tensor.dim() != 0) return tensor;
    const auto* const data = static_cast<const char*>(tensor.const_data_ptr());
    return Bytes(data, data + tensor.element_size());
  }
  Bytes bytes;
  if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value)) {
    for (const py::handle& item : py::reinterpret_borrow<py::sequence>(value)) append_number(bytes, item, cast);
  } else {
    append_number(bytes, value, cast);
  }
  return bytes;
}

// `arg_casts` is one cast for all numbers, or a dict from argument index to cast.
std::string cast_of(const py::object& arg_casts, size_t index) {
  if (arg_casts.is_none()) return {};
  if (py::isinstance<py::str>(arg_casts)) return arg_casts.cast<std::string>();
  const auto casts = arg_casts.cast<std::map<size_t, std::string>>();
  const auto found = casts.find(index);
  return found == casts.end() ? std::string() : found->second;
}

Extent to_extent(const std::vector<uint64_t>& sizes) {
  TORCH_CHECK(!sizes.empty() && sizes.size() <= 3, "A grid has 1 to 3 dimensions, not ", sizes.size());
  Extent extent;
  extent.x = sizes[0];
  if (sizes.size() > 1) extent.y = sizes[1];
  if (sizes.size() > 2) extent.z = sizes[2];
  return extent;
}

std::optional<std::vector<uint64_t>> sizes_from(const py::object& value) {
  if (value.is_none()) return std::nullopt;
  if (py::isinstance<py::int_>(value)) return std::vector<uint64_t>{value.cast<uint64_t>()};
  return value.cast<std::vector<uint64_t>>();
}

/// A kernel that Python calls.
class ShaderKernel {
 public:
  explicit ShaderKernel(Kernel kernel) : kernel_(std::move(kernel)) {}

  void call(const py::args& args, const py::object& threads, const py::object& group_size, const py::object& arg_casts,
            const std::optional<size_t>& error_buf_idx) const {
    std::vector<Argument> arguments;
    for (size_t i = 0; i < args.size(); ++i) arguments.push_back(to_argument(args[i], cast_of(arg_casts, i)));
    const Extent grid = grid_for(arguments, sizes_from(threads));
    const auto group = sizes_from(group_size);
    const uint64_t limit = max_threads_per_threadgroup();
    const Extent threadgroup = group ? to_extent(*group) : Extent{std::min(grid.x, limit)};
    TORCH_CHECK(threadgroup.x * threadgroup.y * threadgroup.z <= limit, "A threadgroup of '", kernel_.name,
                "' has at most ", limit, " threads");
    const size_t count = arguments.size() + error_buf_idx.has_value();
    TORCH_CHECK(count == kernel_.argument_count, "'", kernel_.name, "' takes ", kernel_.argument_count,
                " arguments, got ", count);
    const py::gil_scoped_release no_gil;
    dispatch(arguments, error_buf_idx, grid, threadgroup);
  }

  uint64_t max_threads_per_threadgroup() const { return kernel_.pipeline->maxTotalThreadsPerThreadgroup(); }
  uint64_t thread_execution_width() const { return kernel_.pipeline->threadExecutionWidth(); }
  uint64_t static_thread_group_memory_length() const { return kernel_.pipeline->staticThreadgroupMemoryLength(); }

 private:
  static Extent grid_for(const std::vector<Argument>& arguments, const std::optional<std::vector<uint64_t>>& threads) {
    if (threads) return to_extent(*threads);
    for (const Argument& argument : arguments)
      if (const auto* tensor = std::get_if<at::Tensor>(&argument)) return {static_cast<uint64_t>(tensor->numel())};
    TORCH_CHECK(false, "Give the number of threads: there is no tensor among the arguments to take it from");
  }

  void dispatch(const std::vector<Argument>& arguments, const std::optional<size_t>& error_index, const Extent& grid,
                const Extent& threadgroup) const {
    if (grid.x * grid.y * grid.z == 0) return;
    const OperatorScope scope(kernel_.name.c_str());
    const BufferRange errors = error_index ? error_buffer() : BufferRange{};
    detail::Dispatch dispatch(kernel_);
    for (size_t i = 0; i <= arguments.size(); ++i) {
      if (error_index == i) dispatch.bind(errors);
      if (i < arguments.size()) bind(dispatch, arguments[i]);
    }
    dispatch.threads(grid, threadgroup);
  }

  static void bind(detail::Dispatch& dispatch, const Argument& argument) {
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
  explicit ShaderLibrary(const std::string& source)
      : library_(compile_library(flatten_source(source, "program_source"))) {}
  ~ShaderLibrary() { library_->release(); }
  ShaderLibrary(const ShaderLibrary&) = delete;
  ShaderLibrary& operator=(const ShaderLibrary&) = delete;

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    const NS::Array* const names = library_->functionNames();
    for (NS::UInteger i = 0; i < names->count(); ++i) result.emplace_back(names->object<NS::String>(i)->utf8String());
    return result;
  }

  std::shared_ptr<ShaderKernel> kernel(const std::string& name) {
    std::shared_ptr<ShaderKernel>& kernel = kernels_[name];
    if (!kernel) kernel = std::make_shared<ShaderKernel>(compile_kernel(library_, name));
    return kernel;
  }

 private:
  MTL::Library* const library_;
  std::map<std::string, std::shared_ptr<ShaderKernel>> kernels_;
};

}  // namespace

void define_shader(py::module_& m) {
  py::class_<ShaderKernel, std::shared_ptr<ShaderKernel>>(m, "ShaderKernel")
      .def("__call__", &ShaderKernel::call, py::kw_only(), py::arg("threads") = py::none(),
           py::arg("group_size") = py::none(), py::arg("arg_casts") = py::none(), py::arg("error_buf_idx") = py::none())
      .def_property_readonly("max_threads_per_threadgroup", &ShaderKernel::max_threads_per_threadgroup)
      .def_property_readonly("thread_execution_width", &ShaderKernel::thread_execution_width)
      .def_property_readonly("static_thread_group_memory_length", &ShaderKernel::static_thread_group_memory_length);
  py::class_<ShaderLibrary, std::shared_ptr<ShaderLibrary>>(m, "ShaderLibrary")
      .def(py::init<const std::string&>(), py::call_guard<py::gil_scoped_release>())
      .def("__getattr__",
           [](ShaderLibrary& self, const std::string& name) {
             const auto names = self.names();
             if (std::find(names.begin(), names.end(), name) == names.end())
               throw py::attribute_error("The shader has no kernel '" + name + "'");
             return self.kernel(name);
           })
      .def("__dir__", &ShaderLibrary::names);
}

}  // namespace torch_metal
