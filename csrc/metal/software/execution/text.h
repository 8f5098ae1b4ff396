// Text of error messages.
#pragma once

#include <sstream>
#include <string>

namespace metal_software {

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

}  // namespace metal_software
