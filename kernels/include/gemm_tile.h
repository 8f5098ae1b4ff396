// The inner part of every tiled matrix product: operand tiles go through threadgroup memory, each SIMD-group
// accumulates a 32x32 block of 8x8 matrices in float. What the operands are is up to their sources, so matrix
// multiplication and convolution share this.
//
// A source has `transposed()` and `load(tile, row, column, simdgroup, lane)`, which fills a tile, whatever the type of
// its elements, with those from (row, column) on, zeros outside of the matrix. A transposed source fills the tile column by column.
// A sink takes the column of the result that the thread is given: `write(row, value)` ignores what is outside.
#pragma once

#include <metal_simdgroup_matrix>
#include <metal_stdlib>

namespace torch_metal {

using namespace metal;

constant constexpr uint kSimdWidth = 32;
constant constexpr uint kBlock = 32;      // rows and columns of a SIMD-group's block
constant constexpr uint kFragments = 4;   // 8x8 matrices along a side of it
constant constexpr uint kTileDepth = 32;  // how much of the inner dimension a step takes

/// What tiles of T are made of: bfloats stay as they are, their products are exact in float.
template <class T>
using tile_t = conditional_t<is_same_v<T, bfloat>, bfloat, float>;

/// Copies rows x columns elements of a matrix, zero outside of its limits, lanes along the columns.
template <uint rows, uint columns, uint simdgroups, class E, class T>
void copy_tile(threadgroup E* tile, device const T* data, long row_stride, long column_stride, uint row,
               uint column, uint row_limit, uint column_limit, uint simdgroup, uint lane) {
  for (uint r = simdgroup; r < rows; r += simdgroups) {
    for (uint c = lane; c < columns; c += kSimdWidth) {
      const bool inside = row + r < row_limit && column + c < column_limit;
      tile[r * columns + c] = inside ? E(data[(row + r) * row_stride + (column + c) * column_stride]) : E(0);
    }
  }
}

/// A strided matrix as an operand with tiles of rows x columns. Lanes run along the axis of unit stride.
template <class T, uint rows, uint columns, uint simdgroups>
struct StridedSource {
  device const T* data;
  long row_stride;
  long column_stride;
  uint row_limit;
  uint column_limit;

  bool transposed() const { return row_stride == 1 && column_stride != 1; }

  template <class E>
  void load(threadgroup E* tile, uint row, uint column, uint simdgroup, uint lane) const {
    if (column_stride == 1) {
      copy_tile<rows, columns, simdgroups>(tile, data, row_stride, 1, row, column, row_limit, column_limit,
                                           simdgroup, lane);
    } else if (row_stride == 1) {
      copy_tile<columns, rows, simdgroups>(tile, data, column_stride, 1, column, row, column_limit, row_limit,
                                           simdgroup, lane);
    } else {
      copy_tile<rows, columns, simdgroups>(tile, data, row_stride, column_stride, row, column, row_limit,
                                           column_limit, simdgroup, lane);
    }
  }
};

/// Loads `kFragments` matrices that lie along one axis of a tile, from (row, column) on.
template <uint rows, uint columns, bool down, class E>
void load_fragments(thread simdgroup_matrix<E, 8, 8>* fragments, const threadgroup E* tile, bool transposed, uint row,
                    uint column) {
  for (uint i = 0; i < kFragments; ++i) {
    const uint r = row + (down ? 8 * i : 0);
    const uint c = column + (down ? 0 : 8 * i);
    if (transposed) {
      simdgroup_load(fragments[i], tile + c * rows + r, rows, ulong2(0), true);
    } else {
      simdgroup_load(fragments[i], tile + r * columns + c, columns);
    }
  }
}

/// A threadgroup's tile of a product: tile_rows x tile_columns, one SIMD-group for each 32x32 block of it. The tiles of
/// the operands have elements of type E.
template <class E, uint tile_rows, uint tile_columns>
struct GemmTile {
  static constexpr constant uint kSimdgroups = tile_rows / kBlock * (tile_columns / kBlock);

  simdgroup_float8x8 block[kFragments][kFragments];
  uint simdgroup;
  uint lane;

  GemmTile(uint simdgroup_index, uint lane_index) : simdgroup(simdgroup_index), lane(lane_index) {
    for (uint i = 0; i < kFragments; ++i) {
      for (uint j = 0; j < kFragments; ++j) block[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
  }

  uint block_row() const { return simdgroup / (tile_columns / kBlock) * kBlock; }
  uint block_column() const { return simdgroup % (tile_columns / kBlock) * kBlock; }
  /// The column that this thread stores, of a tile whose first one is `column`.
  uint lane_column(uint column) const { return column + block_column() + lane; }

  /// Adds the product of a's rows from `row` on and b's columns from `column` on, over inner [begin, end).
  template <class A, class B>
  void multiply(thread const A& a, thread const B& b, threadgroup E* tile_a, threadgroup E* tile_b, uint row,
                uint column, uint begin, uint end) {
    for (uint k = begin; k < end; k += kTileDepth) {
      a.load(tile_a, row, k, simdgroup, lane);
      b.load(tile_b, k, column, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      step(tile_a, a.transposed(), tile_b, b.transposed(), min(kTileDepth, end - k));
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
  }

  /// Hands this thread's column of the tile to the sink, by way of tile_a's memory.
  template <class Sink>
  void store(thread const Sink& sink, threadgroup E* tile_a, uint row) const {
    constexpr uint kStrip = 8 * kBlock;  // floats of each SIMD-group
    static_assert(kSimdgroups * kStrip * sizeof(float) <= tile_rows * kTileDepth * sizeof(E), "no room for the strips");
    threadgroup float* strip = reinterpret_cast<threadgroup float*>(tile_a) + simdgroup * kStrip;
    for (uint i = 0; i < kFragments; ++i) {
      simdgroup_barrier(mem_flags::mem_threadgroup);
      for (uint j = 0; j < kFragments; ++j) simdgroup_store(block[i][j], strip + 8 * j, kBlock);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      for (uint r = 0; r < 8; ++r) sink.write(row + block_row() + 8 * i + r, strip[r * kBlock + lane]);
    }
  }

 private:
  void step(const threadgroup E* tile_a, bool a_transposed, const threadgroup E* tile_b, bool b_transposed,
            uint depth) {
    for (uint k = 0; k < depth; k += 8) {
      simdgroup_matrix<E, 8, 8> a[kFragments], b[kFragments];
      load_fragments<tile_rows, kTileDepth, true>(a, tile_a, a_transposed, block_row(), k);
      load_fragments<kTileDepth, tile_columns, false>(b, tile_b, b_transposed, k, block_column());
      for (uint i = 0; i < kFragments; ++i) {
        for (uint j = 0; j < kFragments; ++j) simdgroup_multiply_accumulate(block[i][j], a[i], b[j], block[i][j]);
      }
    }
  }
};

}  // namespace torch_metal
