// Error and URL.
#include "Foundation/NSError.hpp"

#include <string>

#include "Foundation/NSURL.hpp"

namespace NS {

const ErrorDomain CocoaErrorDomain = MTLSTR("NSCocoaErrorDomain");
const ErrorDomain POSIXErrorDomain = MTLSTR("NSPOSIXErrorDomain");
const ErrorUserInfoKey UnderlyingErrorKey = MTLSTR("NSUnderlyingError");
const ErrorUserInfoKey LocalizedDescriptionKey = MTLSTR("NSLocalizedDescription");
const ErrorUserInfoKey LocalizedFailureReasonErrorKey = MTLSTR("NSLocalizedFailureReason");

Error* Error::error(ErrorDomain domain, Integer code, Dictionary* pDictionary) {
  return alloc()->init(domain, code, pDictionary)->autorelease();
}

Error* Error::alloc() { return new Error; }

Error* Error::init() { return this; }

Error* Error::init(ErrorDomain domain, Integer code, Dictionary* pDictionary) {
  domain_ = RetainPtr(domain);
  code_ = code;
  user_info_ = RetainPtr(pDictionary);
  return this;
}

String* Error::localizedDescription() const {
  if (user_info_)
    if (auto* const text = user_info_->object<String>(LocalizedDescriptionKey)) return text;
  const std::string domain = domain_ ? domain_->utf8String() : "no domain";
  return String::string(("Error " + std::to_string(code_) + " (" + domain + ")").c_str(), UTF8StringEncoding);
}

String* Error::localizedFailureReason() const {
  return user_info_ ? user_info_->object<String>(LocalizedFailureReasonErrorKey) : nullptr;
}

String* Error::description() const { return localizedDescription(); }

URL* URL::fileURLWithPath(const String* pPath) { return alloc()->initFileURLWithPath(pPath)->autorelease(); }

URL* URL::alloc() { return new URL; }

URL* URL::initFileURLWithPath(const String* pPath) {
  path_ = TransferPtr(pPath->copy());
  return this;
}

const char* URL::fileSystemRepresentation() const { return path_->fileSystemRepresentation(); }

UInteger URL::hash() const { return path_->hash(); }

bool URL::isEqual(const Object* pObject) const {
  const auto* const other = dynamic_cast<const URL*>(pObject);
  return other && path_->isEqualToString(other->path_.get());
}

String* URL::description() const { return MTLSTR("file://")->stringByAppendingString(path_.get()); }

}  // namespace NS
