// Reductions over segments of a dimension: PyTorch checks arguments and calls the stubs.
#include <ATen/native/SegmentReduce.h>
#include <ATen/ops/_segment_reduce_backward_native.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/segment_reduce_native.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "ops/narrow.h"
#include "ops/registration.h"
#include "runtime/launch.h"
#include "segment_reduce_params.h"

namespace torch_metal {
namespace {

using at::Tensor;
using at::native::ReductionType;
using Initial = std::optional<at::Scalar>;

/// Where the segments of these lengths begin and end, along the last dimension.
Tensor offsets_of(const Tensor& lengths) {
  at::DimVector one(lengths.sizes());
  one.back() = 1;
  return at::cat({at::zeros(one, lengths.options().dtype(at::kLong)), lengths.to(at::kLong).cumsum(-1)}, -1);
}

SegmentParams parameters(const Tensor& data, const Tensor& offsets, int64_t axis, ReductionType reduction,
                         const Initial& initial) {
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(data.scalar_type()), "\"segment_reduce\" not implemented for '",
                              data.scalar_type(), "'");
  SegmentParams params{};
  params.size = data.size(axis);
  params.segments = narrow(offsets.size(-1) - 1, "segment_reduce's number of segments");
  params.inner = narrow(c10::multiply_integers(data.sizes().slice(axis + 1)),
                        "the number of elements after segment_reduce's dimension");
  params.reduction = static_cast<uint32_t>(reduction);
  params.has_initial = initial.has_value();
  params.initial = initial ? initial->to<float>() : 0;
  return params;
}

Extent threads(const Tensor& data, int64_t axis, const SegmentParams& params) {
  return {params.inner, params.segments,
          static_cast<uint64_t>(c10::multiply_integers(data.sizes().slice(0, axis)))};
}

constexpr Extent kThreadgroup{kSimdWidth};

Tensor reduce_by_offsets(ReductionType reduction, const Tensor& data, const Tensor& given_offsets, int64_t axis,
                         const Initial& initial) {
  const Tensor offsets = given_offsets.to(at::kLong).contiguous();
  const SegmentParams params = parameters(data, offsets, axis, reduction, initial);
  at::DimVector sizes(data.sizes());
  sizes[axis] = params.segments;
  const Tensor out = at::empty(sizes, data.options());
  launch_threads(kernel("segment_reduce", "segment_reduce", {metal_type(data.scalar_type())}),
                 threads(data, axis, params), kThreadgroup, out, data.contiguous(), offsets, params, error_buffer());
  return out;
}

Tensor reduce_by_lengths(ReductionType reduction, const Tensor& data, const Tensor& lengths, int64_t axis,
                         const Initial& initial) {
  return reduce_by_offsets(reduction, data, offsets_of(lengths), axis, initial);
}

/// Equal maxima share their gradient, whatever its sign. (The CPU gives all of a negative one to each.)
Tensor backward_by_offsets(const Tensor& grad, const Tensor& out, const Tensor& data, ReductionType reduction,
                           const Tensor& given_offsets, int64_t axis, const Initial& initial) {
  const Tensor offsets = given_offsets.to(at::kLong).contiguous();
  const SegmentParams params = parameters(data, offsets, axis, reduction, initial);
  const Tensor grad_in = at::zeros_like(data, at::MemoryFormat::Contiguous);
  launch_threads(kernel("segment_reduce", "segment_reduce_backward", {metal_type(data.scalar_type())}),
                 threads(data, axis, params), kThreadgroup, grad_in, grad.contiguous(), out.contiguous(),
                 data.contiguous(), offsets, params, error_buffer());
  return grad_in;
}

Tensor backward_by_lengths(const Tensor& grad, const Tensor& out, const Tensor& data, ReductionType reduction,
                           const Tensor& lengths, int64_t axis, const Initial& initial) {
  return backward_by_offsets(grad, out, data, reduction, offsets_of(lengths), axis, initial);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
using namespace torch_metal;
REGISTER_PRIVATEUSE1_DISPATCH(_segment_reduce_lengths_stub, &reduce_by_lengths)
REGISTER_PRIVATEUSE1_DISPATCH(_segment_reduce_offsets_stub, &reduce_by_offsets)
REGISTER_PRIVATEUSE1_DISPATCH(_segment_reduce_lengths_backward_stub, &backward_by_lengths)
REGISTER_PRIVATEUSE1_DISPATCH(_segment_reduce_offsets_backward_stub, &backward_by_offsets)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "segment_reduce", at::native::segment_reduce_kernel);
  METAL_IMPL(m, "_segment_reduce_backward", at::native::_segment_reduce_backward_kernel);
}
