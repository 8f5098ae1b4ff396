// NumPy's file format for arrays, version 1.0: a header in Python's notation, then the elements.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mslc::cli {

struct Array {
  std::string code;  ///< NumPy's of the element type: "<f4"
  std::vector<size_t> shape;
  std::vector<std::byte> bytes;
};

/// Throws UsageError naming the file if it cannot be read, or is not a C-ordered array of numbers.
Array read_npy(const std::string& path);
void write_npy(const std::string& path, const Array& array);

}  // namespace mslc::cli
