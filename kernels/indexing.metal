// Elements read from, or written to, places that tensors of indices name.
#include "indexing.h"

using namespace metal;
using namespace torch_metal;

/// Which side the indices choose a place in.
enum class IndexMode { get, put, offsets };

/// T is any type of the elements' size. `offsets` writes where in `in` the indices point instead of an element,
/// one after the other, -1 if that is nowhere.
template <class T, IndexMode mode, uint indices, uint unit>
[[kernel]] void index_elements(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                               constant IndexParams& params [[buffer(2)]],
                               device c10::metal::ErrorMessages* errors [[buffer(3)]],
                               device const long* index_0 [[buffer(4)]], device const long* index_1 [[buffer(5)]],
                               device const long* index_2 [[buffer(6)]], device const long* index_3 [[buffer(7)]],
                               device const long* index_4 [[buffer(8)]], device const long* index_5 [[buffer(9)]],
                               device const long* index_6 [[buffer(10)]], device const long* index_7 [[buffer(11)]],
                               uint3 p [[thread_position_in_grid]]) {
  const IndexBuffers buffers{{index_0, index_1, index_2, index_3, index_4, index_5, index_6, index_7}};
  const OperandOffsets<indices> outer(params.layout, p.y, p.z);
  long place = 0;
  bool in_range = true;
  for (uint i = 0; i < indices; ++i) {
    const size_t at = outer.bytes[i + 2] + x_offset<unit>(params.layout, i + 2, p.x, sizeof(long));
    in_range = in_range && add_place(place, at_byte(buffers.data[i], at), i, params.indexed, errors);
  }
  if (!in_range && mode != IndexMode::offsets) return;
  const long in_offset = outer.bytes[1] + x_offset<unit>(params.layout, 1, p.x, sizeof(T));
  if (mode == IndexMode::offsets) {
    const ulong row = p.y + p.z * ulong(params.layout.sizes[1].value);
    out[row * params.layout.sizes[0].value + p.x] = T(in_range ? in_offset + place : -1);
    return;
  }
  const long out_offset = outer.bytes[0] + x_offset<unit>(params.layout, 0, p.x, sizeof(T));
  if (mode == IndexMode::get) {
    at_byte(out, out_offset) = at_byte(in, in_offset + place);
  } else {
    at_byte(out, out_offset + place) = at_byte(in, in_offset);
  }
}
