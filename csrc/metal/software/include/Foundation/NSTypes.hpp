// Scalar types of Foundation, with metal-cpp's names.
#pragma once

#include <cstddef>
#include <cstdint>

using CFTimeInterval = double;  ///< seconds

namespace NS {

using TimeInterval = double;
using Integer = std::intptr_t;
using UInteger = std::uintptr_t;

inline constexpr Integer IntegerMax = INTPTR_MAX;
inline constexpr Integer IntegerMin = INTPTR_MIN;
inline constexpr UInteger UIntegerMax = UINTPTR_MAX;
inline constexpr Integer NotFound = IntegerMax;

enum ComparisonResult : Integer { OrderedAscending = -1, OrderedSame, OrderedDescending };

}  // namespace NS
