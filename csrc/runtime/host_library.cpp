// Lends PyTorch's CPU library to the software device, which computes MPSGraph's nodes with it.
#include "metal/host_library.h"

#include <ATen/ops/add_cpu_dispatch.h>
#include <ATen/ops/addmm_cpu_dispatch.h>
#include <ATen/ops/baddbmm_cpu_dispatch.h>
#include <ATen/ops/bmm_cpu_dispatch.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm_cpu_dispatch.h>
#include <ATen/record_function.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include "runtime/kept_memory.h"

namespace torch_metal {
namespace {

/// The thread may be a user's that waits, with modes, autocast and a profiler of its own: none of them is meant here.
class PlainCpu {
 public:
  PlainCpu()
      : keys_(c10::DispatchKeySet(c10::DispatchKey::BackendSelect),
              c10::default_excluded_set | c10::autograd_dispatch_keyset_with_ADInplaceOrView) {}
  PlainCpu(const PlainCpu&) = delete;
  PlainCpu& operator=(const PlainCpu&) = delete;

 private:
  const c10::impl::ForceDispatchKeyGuard keys_;
  const at::DisableRecordFunctionGuard unrecorded_;
  const KeptMemoryScope memory_;
};

at::ScalarType scalar_type(MPS::DataType type) {
  switch (type) {
    case MPS::DataTypeFloat32: return at::kFloat;
    case MPS::DataTypeFloat16: return at::kHalf;
    case MPS::DataTypeBFloat16: return at::kBFloat16;
  }
  TORCH_CHECK(false, "MPSGraph: unknown type ", static_cast<uint32_t>(type));
}

at::Tensor tensor(const HostArray& array) {
  const auto dimensions = static_cast<size_t>(array.dimensions);
  return at::from_blob(array.data, {array.sizes.data(), dimensions}, {array.strides.data(), dimensions},
                       at::TensorOptions(scalar_type(array.data_type)));
}

void copy(const HostArray& out, const HostArray& in) {
  const PlainCpu scope;
  tensor(out).copy_(tensor(in));
}

void add(const HostArray& out, const HostArray& a, const HostArray& b) {
  const PlainCpu scope;
  at::Tensor result = tensor(out);
  at::cpu::add_out(result, tensor(a), tensor(b));
}

void matmul(const HostArray& out, const HostArray& a, const HostArray& b, const HostArray* addend) {
  const PlainCpu scope;
  TORCH_CHECK(out.dimensions == 2 || out.dimensions == 3, "MPSGraph: products of ", out.dimensions,
              "-dimensional values are not implemented");
  at::Tensor result = tensor(out);
  if (out.dimensions == 2) {
    addend ? at::cpu::addmm_out(result, tensor(*addend), tensor(a), tensor(b))
           : at::cpu::mm_out(result, tensor(a), tensor(b));
  } else {
    addend ? at::cpu::baddbmm_out(result, tensor(*addend), tensor(a), tensor(b))
           : at::cpu::bmm_out(result, tensor(a), tensor(b));
  }
}

/// A convolution's numbers for the dimensions that its arrays have.
struct ConvolutionArguments {
  ConvolutionArguments(const HostConvolution& c, const HostArray& array)
      : first(c.stride.size() + 2 - array.dimensions), stride(at::IntArrayRef(c.stride).slice(first)),
        padding(at::IntArrayRef(c.padding).slice(first)), dilation(at::IntArrayRef(c.dilation).slice(first)),
        output_padding(at::IntArrayRef(kNoOutputPadding).slice(first)) {}

  static constexpr std::array<int64_t, 3> kNoOutputPadding{0, 0, 0};
  const size_t first;
  const at::IntArrayRef stride, padding, dilation, output_padding;
};

// PyTorch's convolutions return new tensors only, but their memory is kept from one to the next.

void convolution(const HostArray& out, const HostArray& source, const HostArray& weights, const HostArray* bias,
                 const HostConvolution& c) {
  const PlainCpu scope;
  const std::optional<at::Tensor> bias_vector = bias ? std::optional(tensor(*bias)) : std::nullopt;
  const ConvolutionArguments a(c, out);
  tensor(out).copy_(at::convolution(tensor(source), tensor(weights), bias_vector, a.stride, a.padding, a.dilation,
                                    /*transposed=*/false, a.output_padding, c.groups));
}

void convolution_data_gradient(const HostArray& out, const HostArray& gradient, const HostArray& weights,
                               const HostConvolution& c) {
  const PlainCpu scope;
  const ConvolutionArguments a(c, out);
  const at::Tensor result = tensor(out);  // stands for the source, of which only sizes and format matter
  result.copy_(std::get<0>(at::convolution_backward(tensor(gradient), result, tensor(weights), std::nullopt, a.stride,
                                                    a.padding, a.dilation, /*transposed=*/false, a.output_padding,
                                                    c.groups, {true, false, false})));
}

void convolution_weights_gradient(const HostArray& out, const HostArray& gradient, const HostArray& source,
                                  const HostConvolution& c) {
  const PlainCpu scope;
  const ConvolutionArguments a(c, out);
  const at::Tensor result = tensor(out);  // stands for the weights, likewise
  result.copy_(std::get<1>(at::convolution_backward(tensor(gradient), tensor(source), result, std::nullopt, a.stride,
                                                    a.padding, a.dilation, /*transposed=*/false, a.output_padding,
                                                    c.groups, {false, true, false})));
}

const bool lent = (set_host_library({&copy, &add, &matmul, &convolution, &convolution_data_gradient,
                                     &convolution_weights_gradient}),
                   true);

}  // namespace
}  // namespace torch_metal
