// What went wrong: a domain, a code, and a dictionary that holds the text.
#pragma once

#include "Foundation/NSDictionary.hpp"
#include "Foundation/NSString.hpp"

namespace NS {

using ErrorDomain = String*;
using ErrorUserInfoKey = String*;

extern const ErrorDomain CocoaErrorDomain;
extern const ErrorDomain POSIXErrorDomain;
extern const ErrorUserInfoKey UnderlyingErrorKey;
extern const ErrorUserInfoKey LocalizedDescriptionKey;
extern const ErrorUserInfoKey LocalizedFailureReasonErrorKey;

class Error : public Copying<Error> {
 public:
  static Error* error(ErrorDomain domain, Integer code, Dictionary* pDictionary);

  static Error* alloc();
  Error* init();
  Error* init(ErrorDomain domain, Integer code, Dictionary* pDictionary);

  Integer code() const { return code_; }
  ErrorDomain domain() const { return domain_.get(); }
  Dictionary* userInfo() const { return user_info_.get(); }

  String* localizedDescription() const;
  String* localizedFailureReason() const;

  String* description() const override;

 private:
  SharedPtr<String> domain_;
  Integer code_ = 0;
  SharedPtr<Dictionary> user_info_;
};

}  // namespace NS
