// Rows of words, in columns.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace mslc::cli {

/// Writes rows with their cells aligned, indented by two.
void print_table(std::ostream& stream, const std::vector<std::vector<std::string>>& rows);

}  // namespace mslc::cli
