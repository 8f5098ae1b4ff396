#include "Foundation/NSString.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>

namespace NS {
namespace {

bool is_implemented(StringEncoding encoding) {
  return encoding == ASCIIStringEncoding || encoding == UTF8StringEncoding;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
}

// Decodes the code point at `at` and steps over it. A malformed byte stands for itself.
uint32_t next_code_point(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  const int trailing = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  if (at + trailing > text.size()) return lead;
  uint32_t point = trailing ? lead & (0x3F >> trailing) : lead;
  for (int i = 0; i < trailing; ++i) point = point << 6 | (static_cast<unsigned char>(text[at++]) & 0x3F);
  return point;
}

std::u16string utf16(std::string_view text) {
  std::u16string units;
  for (size_t at = 0; at < text.size();) {
    const uint32_t point = next_code_point(text, at);
    if (point < 0x10000) {
      units += static_cast<char16_t>(point);
    } else {
      units += static_cast<char16_t>(0xD7C0 + (point >> 10));
      units += static_cast<char16_t>(0xDC00 + (point & 0x3FF));
    }
  }
  return units;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

String* String::string() { return alloc()->init()->autorelease(); }

String* String::string(const String* pString) { return alloc()->init(pString)->autorelease(); }

String* String::string(const char* pString, StringEncoding encoding) {
  String* const string = alloc()->init(pString, encoding);
  detail::autorelease(string);
  return string;
}

String* String::alloc() { return new String; }

String* String::init() { return this; }

String* String::init(const String* pString) {
  text_ = pString->text_;
  return this;
}

String* String::init(const char* pString, StringEncoding encoding) {
  if (pString && is_implemented(encoding) && (encoding == UTF8StringEncoding || is_ascii(pString))) {
    text_ = pString;
    return this;
  }
  release();
  return nullptr;
}

String* String::init(void* pBytes, UInteger len, StringEncoding encoding, bool freeBuffer) {
  const std::string text(static_cast<const char*>(pBytes), len);
  if (freeBuffer) std::free(pBytes);
  String* const string = init(text.c_str(), encoding);
  if (string) string->text_ = text;  // with any zero inside
  return string;
}

unichar String::character(UInteger index) const { return utf16(text_).at(index); }

UInteger String::length() const { return is_ascii(text_) ? text_.size() : utf16(text_).size(); }

const char* String::cString(StringEncoding encoding) const {
  if (!is_implemented(encoding) || (encoding == ASCIIStringEncoding && !is_ascii(text_))) return nullptr;
  return text_.c_str();
}

const char* String::utf8String() const { return text_.c_str(); }

UInteger String::maximumLengthOfBytes(StringEncoding encoding) const {
  return encoding == UTF8StringEncoding ? 3 * length() : length();
}

UInteger String::lengthOfBytes(StringEncoding encoding) const { return cString(encoding) ? text_.size() : 0; }

bool String::isEqualToString(const String* pString) const { return pString && text_ == pString->text_; }

Range String::rangeOfString(const String* pString, StringCompareOptions options) const {
  const bool fold = options & CaseInsensitiveSearch;
  const std::u16string text = utf16(fold ? lower(text_) : text_);
  const std::u16string part = utf16(fold ? lower(pString->text_) : pString->text_);
  if (part.empty()) return Range(NotFound, 0);
  const size_t at = options & BackwardsSearch ? text.rfind(part) : text.find(part);
  return at == std::u16string::npos ? Range(NotFound, 0) : Range(at, part.size());
}

const char* String::fileSystemRepresentation() const { return text_.c_str(); }

String* String::stringByAppendingString(const String* pString) const {
  return string((text_ + pString->text_).c_str(), UTF8StringEncoding);
}

ComparisonResult String::caseInsensitiveCompare(const String* pString) const {
  const int order = lower(text_).compare(lower(pString->text_));
  return order < 0 ? OrderedAscending : order > 0 ? OrderedDescending : OrderedSame;
}

UInteger String::hash() const { return std::hash<std::string>()(text_); }

bool String::isEqual(const Object* pObject) const { return isEqualToString(dynamic_cast<const String*>(pObject)); }

String* String::description() const { return string(this); }

}  // namespace NS
