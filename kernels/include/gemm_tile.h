// The inner part of every tiled matrix product: operand tiles go through threadgroup memory, sums stay in registers.
// What the operands are is up to their sources, so matrix multiplication and convolution share this. There are two
// kinds of tiles, for the host to choose from: MatrixTile and RegisterTile.
//
// A source has `transposed()` and `load<rows, columns, simdgroups>(tile, row, column, simdgroup, lane)`, which fills a
// tile, whatever the type of its elements, with those from (row, column) on, zeros outside of the matrix. A transposed
// source fills the tile column by column. A tile hands its sums to sinks: `sink_of(column)` makes the one of a column;
// its `write(row, value)` ignores what is outside.
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
#pragma clang loop unroll(disable)
  for (uint c = lane; c < columns; c += kSimdWidth) {
    const bool inside = column + c < column_limit;
    device const T* from = data + (row + simdgroup) * row_stride + (column + c) * column_stride;
#pragma clang loop unroll_count(2)
    for (uint r = simdgroup; r < rows; r += simdgroups) {
      tile[r * columns + c] = inside && row + r < row_limit ? E(*from) : E(0);
      from += simdgroups * row_stride;
    }
  }
}

/// A strided matrix as an operand. Lanes run along the axis of unit stride.
template <class T>
struct StridedSource {
  device const T* data;
  long row_stride;
  long column_stride;
  uint row_limit;
  uint column_limit;

  bool transposed() const { return row_stride == 1 && column_stride != 1; }

  template <uint rows, uint columns, uint simdgroups, class E>
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

/// Turns a tile of rows x columns elements into one of columns x rows, by matrices of 8x8: cheaper than gathering.
template <uint rows, uint columns>
void transpose_tile(const threadgroup float* from, threadgroup float* to) {
#pragma clang loop unroll(disable)
  for (uint r = 0; r < rows; r += 8) {
    for (uint c = 0; c < columns; c += 8) {
      simdgroup_float8x8 matrix;
      simdgroup_load(matrix, from + r * columns + c, columns, ulong2(0), true);
      simdgroup_store(matrix, to + c * rows + r, rows);
    }
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
}

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

/// Where a thread works: its tile in a product of `rows` x `columns`, and itself in the threadgroup.
struct TilePosition {
  uint row;
  uint column;
  uint rows;
  uint columns;
  uint simdgroup;
  uint lane;
};

/// tile_rows x tile_columns, one SIMD-group for each 32x32 block of 8x8 matrices. Operands have elements of type E.
template <class E, uint tile_rows, uint tile_columns>
struct MatrixTile {
  static constexpr constant uint kRows = tile_rows;
  static constexpr constant uint kColumns = tile_columns;
  static constexpr constant uint kSimdgroups = tile_rows / kBlock * (tile_columns / kBlock);

  struct Memory {
    alignas(16) E a[tile_rows * kTileDepth];  ///< at the end also strips of floats
    E b[kTileDepth * tile_columns];
  };

  simdgroup_float8x8 block[kFragments][kFragments];

  MatrixTile() {
    for (uint i = 0; i < kFragments; ++i) {
      for (uint j = 0; j < kFragments; ++j) block[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
  }

  /// Adds the product of a's rows and b's columns, over inner [begin, end).
  template <class A, class B>
  void multiply(thread const A& a, thread const B& b, threadgroup Memory& memory, TilePosition at, uint begin,
                uint end) {
    for (uint k = begin; k < end; k += kTileDepth) {
      a.template load<tile_rows, kTileDepth, kSimdgroups>(memory.a, at.row, k, at.simdgroup, at.lane);
      b.template load<kTileDepth, tile_columns, kSimdgroups>(memory.b, k, at.column, at.simdgroup, at.lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      step(memory.a, a.transposed(), memory.b, b.transposed(), min(kTileDepth, end - k),
           at.simdgroup);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
  }

  /// Hands the tile to the sinks of its columns.
  template <class SinkOf>
  void store(SinkOf sink_of, threadgroup Memory& memory, TilePosition at) const {
    constexpr uint kStrip = 8 * kBlock;  // floats of each SIMD-group
    static_assert(kSimdgroups * kStrip * sizeof(float) <= sizeof(memory.a), "no room for the strips");
    threadgroup float* strip = reinterpret_cast<threadgroup float*>(memory.a) + at.simdgroup * kStrip;
    const auto sink = sink_of(at.column + block_column(at.simdgroup) + at.lane);
    for (uint i = 0; i < kFragments; ++i) {
      simdgroup_barrier(mem_flags::mem_threadgroup);
      for (uint j = 0; j < kFragments; ++j) simdgroup_store(block[i][j], strip + 8 * j, kBlock);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      for (uint r = 0; r < 8; ++r) sink.write(at.row + block_row(at.simdgroup) + 8 * i + r, strip[r * kBlock + at.lane]);
    }
  }

 private:
  static uint block_row(uint simdgroup) { return simdgroup / (tile_columns / kBlock) * kBlock; }
  static uint block_column(uint simdgroup) { return simdgroup % (tile_columns / kBlock) * kBlock; }

  void step(const threadgroup E* tile_a, bool a_transposed, const threadgroup E* tile_b, bool b_transposed,
            uint depth, uint simdgroup) {
    for (uint k = 0; k < depth; k += 8) {
      simdgroup_matrix<E, 8, 8> a[kFragments], b[kFragments];
      load_fragments<tile_rows, kTileDepth, true>(a, tile_a, a_transposed, block_row(simdgroup), k);
      load_fragments<kTileDepth, tile_columns, false>(b, tile_b, b_transposed, k, block_column(simdgroup));
      for (uint i = 0; i < kFragments; ++i) {
        for (uint j = 0; j < kFragments; ++j) simdgroup_multiply_accumulate(block[i][j], a[i], b[j], block[i][j]);
      }
    }
  }
};

/// One SIMD-group; a lane has two columns. Sums are in registers while a block of rows steps through the tile's depth.
/// 13 rows of 32 lanes are what fits 32 vector registers of 512 bits, with what is multiplied.
template <uint row_blocks>
struct RegisterTile {
  static constexpr constant uint kBlockRows = 13;
  static constexpr constant uint kColumnBlocks = 2;
  static constexpr constant uint kRows = row_blocks * kBlockRows;
  static constexpr constant uint kColumns = kColumnBlocks * kSimdWidth;
  static constexpr constant uint kSimdgroups = 1;

  struct Memory {
    float a[kRows * kTileDepth];
    float b[kTileDepth * kColumns];
    float turned[kColumns * kTileDepth];  ///< where b is before it is transposed
  };

  float sums[row_blocks * kColumnBlocks * kBlockRows];  // alone, so that elements of 32 lanes are next to each other

  RegisterTile() {
    for (uint i = 0; i < row_blocks * kColumnBlocks * kBlockRows; ++i) sums[i] = 0;
  }

  template <class A, class B>
  void multiply(thread const A& a, thread const B& b, threadgroup Memory& memory, TilePosition at, uint begin,
                uint end) {
    for (uint k = begin; k < end; k += kTileDepth) {
      a.template load<kRows, kTileDepth, 1>(memory.a, at.row, k, 0, at.lane);
      b.template load<kTileDepth, kColumns, 1>(b.transposed() ? memory.turned : memory.b, k, at.column, 0, at.lane);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      if (b.transposed()) transpose_tile<kColumns, kTileDepth>(memory.turned, memory.b);
      const uint depth = min(kTileDepth, end - k);
      if (a.transposed()) {
        step<1, kRows>(memory.a, memory.b, depth, at);
      } else {
        step<kTileDepth, 1>(memory.a, memory.b, depth, at);
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
    }
  }

  template <class SinkOf>
  void store(SinkOf sink_of, threadgroup Memory&, TilePosition at) const {
    const uint rows = min(kRows, at.rows - at.row);
#pragma clang loop unroll(disable)
    for (uint j = 0; j < kColumnBlocks; ++j) {
      const auto sink = sink_of(at.column + j * kSimdWidth + at.lane);
#pragma clang loop unroll(disable)
      for (uint r = 0; r < rows; ++r) {
        sink.write(at.row + r, sums[(r / kBlockRows * kColumnBlocks + j) * kBlockRows + r % kBlockRows]);
      }
    }
  }

 private:
  template <uint row_stride, uint depth_stride>
  void step(const threadgroup float* tile_a, const threadgroup float* tile_b, uint depth, TilePosition at) {
#pragma clang loop unroll(disable)
    for (uint block = 0; block < row_blocks * kColumnBlocks; ++block) {
      const uint row = block / kColumnBlocks * kBlockRows, column = block % kColumnBlocks * kSimdWidth;
      if (at.row + row >= at.rows || at.column + column >= at.columns) continue;
      const threadgroup float* a = tile_a + row * row_stride;
      const threadgroup float* b = tile_b + column + at.lane;
      float sum[kBlockRows];
      for (uint r = 0; r < kBlockRows; ++r) sum[r] = sums[block * kBlockRows + r];
#pragma clang loop unroll_count(2)
      for (uint k = 0; k < depth; ++k) {
        const float x = b[k * kColumns];
        for (uint r = 0; r < kBlockRows; ++r) sum[r] = fma(a[r * row_stride + k * depth_stride], x, sum[r]);
      }
      for (uint r = 0; r < kBlockRows; ++r) sums[block * kBlockRows + r] = sum[r];
    }
  }
};

}  // namespace torch_metal
