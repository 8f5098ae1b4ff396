#include "python/shader_arguments.h"

#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/pybind.h>

#include <array>
#include <cstdint>
#include <limits>

namespace torch_metal {

namespace py = pybind11;

namespace {

constexpr size_t kMaxBytes = 4096;  // of setBytes

struct Scalar {
  MTL::DataType type;  ///< vectors of 2, 3 and 4 follow in Metal's numbering
  const char* name;
  const char* cast;
  size_t size;
  bool is_float, is_signed;
};

constexpr std::array<Scalar, 12> kScalars{{
    {MTL::DataTypeFloat, "float", "fp32", 4, true, true},
    {MTL::DataTypeHalf, "half", "fp16", 2, true, true},
    {MTL::DataTypeBFloat, "bfloat", "bf16", 2, true, true},
    {MTL::DataTypeChar, "char", "int8", 1, false, true},
    {MTL::DataTypeUChar, "uchar", "uint8", 1, false, false},
    {MTL::DataTypeShort, "short", "int16", 2, false, true},
    {MTL::DataTypeUShort, "ushort", "uint16", 2, false, false},
    {MTL::DataTypeInt, "int", "int32", 4, false, true},
    {MTL::DataTypeUInt, "uint", "uint32", 4, false, false},
    {MTL::DataTypeLong, "long", "int64", 8, false, true},
    {MTL::DataTypeULong, "ulong", "uint64", 8, false, false},
    {MTL::DataTypeBool, "bool", "bool", 1, false, false},
}};

/// The scalar of a type and how many there are; null for a structure.
std::pair<const Scalar*, unsigned> scalar_of(MTL::DataType type) {
  for (const Scalar& scalar : kScalars)
    if (type >= scalar.type && type <= scalar.type + 3) return {&scalar, static_cast<unsigned>(type - scalar.type) + 1};
  return {nullptr, 1};
}

const Scalar* scalar_of_cast(const std::string& cast, const std::string& what) {
  std::string known;
  for (const Scalar& scalar : kScalars) {
    if (cast == scalar.cast) return &scalar;
    known += std::string(known.empty() ? "" : ", ") + scalar.cast;
  }
  throw py::value_error(what + ": unknown cast '" + cast + "'; there are " + known);
}

const Scalar* scalar_of_value(const py::handle& value) {
  if (py::isinstance<py::bool_>(value)) return scalar_of(MTL::DataTypeBool).first;
  return scalar_of(py::isinstance<py::int_>(value) ? MTL::DataTypeLong : MTL::DataTypeFloat).first;
}

template <class T>
void append(Bytes& bytes, T value) {
  const auto* const data = reinterpret_cast<const char*>(&value);
  bytes.insert(bytes.end(), data, data + sizeof(value));
}

std::string type_of(const py::handle& value) { return py::str(py::type::of(value).attr("__name__")); }

[[noreturn]] void throw_overflow(const std::string& what, const py::handle& value, const char* type) {
  const std::string text = what + ": " + std::string(py::repr(value)) + " does not fit into " + type;
  PyErr_SetString(PyExc_OverflowError, text.c_str());
  throw py::error_already_set();
}

void append_float(Bytes& bytes, const py::handle& value, const Scalar& type, const std::string& what) {
  const double number = PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred()) {
    PyErr_Clear();
    throw_overflow(what, value, type.name);
  }
  if (type.type == MTL::DataTypeHalf) return append(bytes, c10::Half(static_cast<float>(number)));
  if (type.type == MTL::DataTypeBFloat) return append(bytes, c10::BFloat16(static_cast<float>(number)));
  append(bytes, static_cast<float>(number));
}

void append_integer(Bytes& bytes, const py::handle& value, const Scalar& type, const std::string& what) {
  int overflow = 0;
  const unsigned bits = type.type == MTL::DataTypeBool ? 1 : 8 * type.size;
  int64_t number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  if (overflow > 0 && bits == 64 && !type.is_signed) {
    number = static_cast<int64_t>(PyLong_AsUnsignedLongLong(value.ptr()));
    overflow = PyErr_Occurred() ? 1 : 0;
    PyErr_Clear();
  } else if (!overflow) {
    const int64_t rest = number >> (type.is_signed ? bits - 1 : std::min(bits, 63u));
    overflow = !(rest == 0 || (type.is_signed && rest == -1));
  }
  if (overflow) throw_overflow(what, value, type.name);
  append(bytes, number);
  bytes.resize(bytes.size() - sizeof(number) + type.size);
}

void append_number(Bytes& bytes, const py::handle& value, const Scalar* type, const std::string& what) {
  const bool is_integer = py::isinstance<py::int_>(value);  // bool is one
  if (!is_integer && !py::isinstance<py::float_>(value))
    throw py::type_error(what + ": a kernel takes tensors, numbers, and lists of numbers; not " + type_of(value));
  if (!type) type = scalar_of_value(value);
  if (type->is_float) return append_float(bytes, value, *type, what);
  if (!is_integer) throw py::type_error(what + ": " + std::string(py::repr(value)) + " is not a whole number, as " + type->name + " needs");
  append_integer(bytes, value, *type, what);
}

bool is_list(const py::handle& value) { return py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value); }

/// Vectors of three take the room of four.
Bytes pad_vectors_of_three(const Bytes& bytes, size_t scalar_size) {
  Bytes padded;
  for (size_t at = 0; at < bytes.size(); at += 3 * scalar_size) {
    padded.insert(padded.end(), bytes.begin() + at, bytes.begin() + at + 3 * scalar_size);
    padded.resize(padded.size() + scalar_size);
  }
  return padded;
}

Bytes to_bytes(const py::handle& value, const Scalar* type, const std::string& what) {
  Bytes bytes;
  if (is_list(value)) {
    for (const py::handle& item : py::reinterpret_borrow<py::sequence>(value)) append_number(bytes, item, type, what);
  } else {
    append_number(bytes, value, type, what);
  }
  return bytes;
}

std::string plural(size_t count) { return std::to_string(count) + (count == 1 ? " byte" : " bytes"); }

}  // namespace

ShaderArgument to_shader_argument(const py::handle& value, const KernelArgument& argument, const std::string& cast,
                                  const std::string& what) {
  py::object number = py::reinterpret_borrow<py::object>(value);
  if (THPVariable_Check(value.ptr())) {
    const at::Tensor tensor = THPVariable_Unpack(value.ptr());
    if (!tensor.is_cpu() || tensor.dim() != 0) {
      TORCH_CHECK(tensor.is_privateuseone(), what, ": expected a tensor on metal, got one on ", tensor.device());
      return tensor;
    }
    number = number.attr("item")();
  }
  const auto [declared, width] = scalar_of(argument.data_type);
  const Scalar* const type = cast.empty() ? declared : scalar_of_cast(cast, what);
  Bytes bytes = to_bytes(number, type, what);
  if (width == 3 && type->size == declared->size && bytes.size() % (3 * type->size) == 0)
    bytes = pad_vectors_of_three(bytes, type->size);
  TORCH_CHECK(!bytes.empty() && bytes.size() >= argument.size, what, " needs ", plural(argument.size), ", got ", plural(bytes.size()));
  TORCH_CHECK(bytes.size() <= kMaxBytes, what, ": ", plural(bytes.size()), " of numbers are too many; the limit is ",
              plural(kMaxBytes), ". Pass a tensor.");
  return bytes;
}

Bytes to_constant(const py::handle& value, MTL::DataType type, const std::string& what) {
  const auto [scalar, width] = scalar_of(type);
  TORCH_CHECK(scalar, what, " is of a type that takes no value");
  Bytes bytes = to_bytes(value, scalar, what);
  TORCH_CHECK(bytes.size() == width * scalar->size, what, " is one ", type_name(type), ", not ", std::string(py::repr(value)));
  return width == 3 ? pad_vectors_of_three(bytes, scalar->size) : bytes;
}

std::string type_name(MTL::DataType type) {
  const auto [scalar, width] = scalar_of(type);
  if (!scalar) return "struct";
  return width == 1 ? scalar->name : scalar->name + std::to_string(width);
}

}  // namespace torch_metal
