// Small helpers of the API's classes: texts, labels, errors.
#pragma once

#include <Foundation/Foundation.hpp>

#include <string>

namespace metal_software {

/// Autoreleased text.
NS::String* make_string(const std::string& text);

/// Replaces a member by a copy of `value`.
template <class T>
void assign_copy(NS::SharedPtr<T>& member, const T* value) {
  member = NS::TransferPtr(value ? value->copy() : nullptr);
}

// The domains of Metal's errors, for which metal-cpp has no names.
NS::ErrorDomain library_error_domain();
NS::ErrorDomain compute_pipeline_error_domain();
NS::ErrorDomain command_buffer_error_domain();

/// An autoreleased error whose localizedDescription is `text`.
NS::Error* make_error(NS::ErrorDomain domain, NS::Integer code, const std::string& text);

/// Stores a new error where the caller asked for one, and returns null: what a failed `new...` returns.
std::nullptr_t report(NS::Error** error, NS::ErrorDomain domain, NS::Integer code, const std::string& text);

}  // namespace metal_software
