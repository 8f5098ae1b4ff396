// Immutable text, kept as UTF-8.
#pragma once

#include <string>

#include "Foundation/NSObject.hpp"
#include "Foundation/NSRange.hpp"

namespace NS {

/// The encodings that are implemented; any other makes the constructors return null.
enum StringEncoding : UInteger { ASCIIStringEncoding = 1, UTF8StringEncoding = 4 };

using StringCompareOptions = UInteger;
enum : StringCompareOptions { CaseInsensitiveSearch = 1, LiteralSearch = 2, BackwardsSearch = 4 };

using unichar = unsigned short;

class String : public Copying<String> {
 public:
  static String* string();
  static String* string(const String* pString);
  static String* string(const char* pString, StringEncoding encoding);

  static String* alloc();
  String* init();
  String* init(const String* pString);
  String* init(const char* pString, StringEncoding encoding);
  /// With `freeBuffer`, takes over `pBytes` and frees it with free().
  String* init(void* pBytes, UInteger len, StringEncoding encoding, bool freeBuffer);

  unichar character(UInteger index) const;  ///< UTF-16 unit at `index`
  UInteger length() const;                  ///< in UTF-16 units

  const char* cString(StringEncoding encoding) const;
  const char* utf8String() const;
  UInteger maximumLengthOfBytes(StringEncoding encoding) const;
  UInteger lengthOfBytes(StringEncoding encoding) const;

  bool isEqualToString(const String* pString) const;
  /// In UTF-16 units; {NotFound, 0} if it does not occur.
  Range rangeOfString(const String* pString, StringCompareOptions options) const;

  const char* fileSystemRepresentation() const;

  String* stringByAppendingString(const String* pString) const;
  ComparisonResult caseInsensitiveCompare(const String* pString) const;

  UInteger hash() const override;
  bool isEqual(const Object* pObject) const override;
  String* description() const override;

 private:
  std::string text_;
};

/// A string literal as an object that lives for ever.
#define MTLSTR(literal)                                                                                    \
  ([]() -> NS::String* {                                                                                   \
    static NS::String* const string = NS::String::alloc()->init("" literal "", NS::UTF8StringEncoding); \
    return string;                                                                                         \
  }())

}  // namespace NS
