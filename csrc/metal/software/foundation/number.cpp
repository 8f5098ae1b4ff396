#include "Foundation/NSNumber.hpp"

#include <functional>
#include <string>
#include <type_traits>

#include "Foundation/NSString.hpp"

namespace NS {
namespace {

// The widest type of the same kind: signed, unsigned or floating point.
template <class T>
auto widen(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<double>(value);
  else if constexpr (std::is_signed_v<T>)
    return static_cast<long long>(value);
  else
    return static_cast<unsigned long long>(value);
}

template <class T>
ComparisonResult order(T a, T b) {
  return a < b ? OrderedAscending : b < a ? OrderedDescending : OrderedSame;
}

}  // namespace

Number* Number::alloc() { return new Number; }

template <class T>
T Number::as() const {
  return std::visit([](auto value) { return static_cast<T>(value); }, value_);
}

#define NUMBER_TYPE(type, getter)                                                    \
  Number* Number::number(type value) { return alloc()->init(value)->autorelease(); } \
  Number* Number::init(type value) {                                                 \
    value_ = widen(value);                                                           \
    return this;                                                                     \
  }                                                                                  \
  type Number::getter() const { return as<type>(); }

NUMBER_TYPE(char, charValue)
NUMBER_TYPE(unsigned char, unsignedCharValue)
NUMBER_TYPE(short, shortValue)
NUMBER_TYPE(unsigned short, unsignedShortValue)
NUMBER_TYPE(int, intValue)
NUMBER_TYPE(unsigned int, unsignedIntValue)
NUMBER_TYPE(long, longValue)
NUMBER_TYPE(unsigned long, unsignedLongValue)
NUMBER_TYPE(long long, longLongValue)
NUMBER_TYPE(unsigned long long, unsignedLongLongValue)
NUMBER_TYPE(float, floatValue)
NUMBER_TYPE(double, doubleValue)
NUMBER_TYPE(bool, boolValue)
#undef NUMBER_TYPE

Integer Number::integerValue() const { return as<Integer>(); }
UInteger Number::unsignedIntegerValue() const { return as<UInteger>(); }

String* Number::stringValue() const {
  const std::string text = std::visit(
      [](auto value) {
        if constexpr (!std::is_floating_point_v<decltype(value)>) return std::to_string(value);
        char digits[32];
        std::snprintf(digits, sizeof(digits), "%.17g", static_cast<double>(value));
        return std::string(digits);
      },
      value_);
  return String::string(text.c_str(), UTF8StringEncoding);
}

ComparisonResult Number::compare(const Number* pOtherNumber) const {
  return std::visit(
      [](auto a, auto b) {
        using A = decltype(a);
        using B = decltype(b);
        if constexpr (std::is_floating_point_v<A> || std::is_floating_point_v<B>)
          return order(static_cast<double>(a), static_cast<double>(b));
        else
          return order(static_cast<__int128>(a), static_cast<__int128>(b));
      },
      value_, pOtherNumber->value_);
}

bool Number::isEqualToNumber(const Number* pNumber) const { return pNumber && compare(pNumber) == OrderedSame; }

UInteger Number::hash() const { return std::hash<double>()(doubleValue()); }

bool Number::isEqual(const Object* pObject) const { return isEqualToNumber(dynamic_cast<const Number*>(pObject)); }

String* Number::description() const { return stringValue(); }

}  // namespace NS
