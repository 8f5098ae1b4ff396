// torch_metal._C: Python loads it, and PyTorch finds in it the operators, the device, and what the other files of this
// folder register. It uses Python's stable ABI alone and no symbol of libtorch_python, so that one build serves every
// later Python.
#define Py_LIMITED_API 0x030B0000  // Python 3.11
#include <Python.h>

#include <ATen/dlpack.h>

#include "python/errors.h"
#include "python/shader.h"

using namespace torch_metal;

namespace {

constexpr const char* kDlpackName = "dltensor";
constexpr const char* kDlpackVersionedName = "dltensor_versioned";

// A consumer renames the capsule and becomes the owner.
template <class Managed>
void release_unused(PyObject* capsule, const char* name) {
  if (!PyCapsule_IsValid(capsule, name)) return;
  auto* const managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (managed->deleter) managed->deleter(managed);
}

// dlpack_capsule(address, versioned): owns the DLManagedTensor, or DLManagedTensorVersioned, at the address.
PyObject* dlpack_capsule(PyObject*, PyObject* arguments) {
  unsigned long long address = 0;
  int versioned = 0;
  if (!PyArg_ParseTuple(arguments, "Kp", &address, &versioned)) return nullptr;
  void* const managed = reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  if (versioned)
    return PyCapsule_New(managed, kDlpackVersionedName, [](PyObject* capsule) {
      release_unused<DLManagedTensorVersioned>(capsule, kDlpackVersionedName);
    });
  return PyCapsule_New(managed, kDlpackName,
                       [](PyObject* capsule) { release_unused<DLManagedTensor>(capsule, kDlpackName); });
}

// A tensor, bytes, or None for the error buffer. PyTorch's own way from an object to a tensor is in libtorch_python.
bool to_argument(PyObject* value, ShaderArgument& argument) {
  if (value == Py_None) return true;
  if (PyBytes_Check(value)) {
    argument = std::string_view(PyBytes_AsString(value), PyBytes_Size(value));
    return true;
  }
  PyObject* const address = PyObject_GetAttrString(value, "_cdata");
  auto* const tensor = address ? static_cast<c10::TensorImpl*>(PyLong_AsVoidPtr(address)) : nullptr;
  Py_XDECREF(address);
  if (tensor) argument = at::Tensor(c10::intrusive_ptr<c10::TensorImpl>::reclaim_copy(tensor));
  return tensor;
}

uint64_t to_number(PyObject* value) { return static_cast<uint64_t>(PyLong_AsLongLong(value)); }

std::optional<Extent> to_extent(PyObject* sizes) {
  if (sizes == Py_None) return std::nullopt;
  const auto size = [&](Py_ssize_t i) { return to_number(PyTuple_GetItem(sizes, i)); };
  return Extent{size(0), size(1), size(2)};
}

// launch_shader(kernel, arguments, grid, threadgroup, bytes of each block of threadgroup memory...): False if there was
// an error, which raise_kept() raises. `arguments` is a list, sizes are None or tuples of three. PyTorch's calls of C++
// functions take longer to convert lists than the launch takes.
PyObject* launch_shader(PyObject*, PyObject* const* values, Py_ssize_t count) {
  ShaderCall call;
  call.kernel = static_cast<int64_t>(to_number(values[0]));
  call.arguments.resize(PyList_Size(values[1]));
  for (size_t i = 0; i < call.arguments.size(); ++i)
    if (!to_argument(PyList_GetItem(values[1], i), call.arguments[i])) return nullptr;
  call.grid = to_extent(values[2]);
  call.threadgroup = to_extent(values[3]);
  for (Py_ssize_t i = 4; i < count; ++i) call.memory.push_back(to_number(values[i]));
  if (PyErr_Occurred()) return nullptr;
  bool launched = true;
  Py_BEGIN_ALLOW_THREADS
  try {
    launch(call);
  } catch (...) {
    keep_error();
    launched = false;
  }
  Py_END_ALLOW_THREADS
  return PyBool_FromLong(launched);
}

PyMethodDef methods[] = {
    {"dlpack_capsule", dlpack_capsule, METH_VARARGS, nullptr},
    {"launch_shader", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(launch_shader)), METH_FASTCALL,
     nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_C", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__C() { return PyModule_Create(&definition); }
