#include "api/objects.h"

namespace metal_software {

NS::String* make_string(const std::string& text) { return NS::String::string(text.c_str(), NS::UTF8StringEncoding); }

NS::ErrorDomain library_error_domain() { return MTLSTR("MTLLibraryErrorDomain"); }
NS::ErrorDomain compute_pipeline_error_domain() { return MTLSTR("MTLComputePipelineErrorDomain"); }
NS::ErrorDomain command_buffer_error_domain() { return MTLSTR("MTLCommandBufferErrorDomain"); }

NS::Error* make_error(NS::ErrorDomain domain, NS::Integer code, const std::string& text) {
  return NS::Error::error(domain, code, NS::Dictionary::dictionary(make_string(text), NS::LocalizedDescriptionKey));
}

std::nullptr_t report(NS::Error** error, NS::ErrorDomain domain, NS::Integer code, const std::string& text) {
  if (error) *error = make_error(domain, code, text);
  return nullptr;
}

}  // namespace metal_software
