// MTL::DataType and the names of MSL's types.
#pragma once

#include <Metal/MTLDataType.hpp>

#include <cstddef>
#include <string_view>

namespace metal_software {

/// Bytes of a scalar or vector as a function constant; 0 for other types.
size_t size_of(MTL::DataType type);

/// The type of an argument's elements: "device const float4*" -> DataTypeFloat4. What is no scalar or vector
/// is DataTypeStruct.
MTL::DataType element_type(std::string_view argument_type);

}  // namespace metal_software
