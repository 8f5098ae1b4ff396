#include "runtime/error_buffer.h"

#include <c10/metal/error.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "runtime/failures.h"

namespace torch_metal {

using c10::metal::ErrorMessage;
using c10::metal::ErrorMessages;

const MTL::Buffer* ErrorBuffers::for_operator(const char* name) {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  if (found != entries_.end()) return found->buffer;
  MTL::Buffer* const buffer = new_buffer(sizeof(ErrorMessages), std::string("the error buffer of '") + name + "'");
  std::memset(buffer->contents(), 0, sizeof(ErrorMessages));
  entries_.push_back({name, buffer});
  return buffer;
}

std::string ErrorBuffers::take_messages() {
  std::ostringstream text;
  for (const Entry& entry : entries_) {
    auto* const errors = static_cast<ErrorMessages*>(entry.buffer->contents());
    if (errors->count == 0) continue;
    if (text.tellp() > 0) text << '\n';
    const ErrorMessage& first = errors->msg[0];
    text << entry.name << ": " << first.message << " (" << first.func << ", " << first.file << ":" << first.line << ")";
    if (errors->count > 1) text << " and " << errors->count - 1 << " more";
    std::memset(errors, 0, sizeof(ErrorMessages));
  }
  return text.str();
}

}  // namespace torch_metal
