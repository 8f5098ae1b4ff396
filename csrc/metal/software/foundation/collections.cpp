// Array and Dictionary.
#include <string>

#include "Foundation/NSArray.hpp"
#include "Foundation/NSDictionary.hpp"
#include "Foundation/NSString.hpp"

namespace NS {

Array* Array::array() { return alloc()->init()->autorelease(); }

Array* Array::array(const Object* pObject) { return array(&pObject, 1); }

Array* Array::array(const Object* const* pObjects, UInteger count) {
  return alloc()->init(pObjects, count)->autorelease();
}

Array* Array::alloc() { return new Array; }

Array* Array::init() { return this; }

Array* Array::init(const Object* const* pObjects, UInteger count) {
  objects_.reserve(count);
  for (UInteger i = 0; i < count; ++i) objects_.push_back(RetainPtr(const_cast<Object*>(pObjects[i])));
  return this;
}

UInteger Array::hash() const { return count(); }

bool Array::isEqual(const Object* pObject) const {
  const auto* const other = dynamic_cast<const Array*>(pObject);
  if (!other || other->count() != count()) return false;
  for (UInteger i = 0; i < count(); ++i)
    if (!object(i)->isEqual(other->object(i))) return false;
  return true;
}

String* Array::description() const {
  std::string text = "(";
  for (const auto& object : objects_)
    text.append(text.size() > 1 ? ", " : "").append(object->description()->utf8String());
  return String::string((text + ")").c_str(), UTF8StringEncoding);
}

Dictionary* Dictionary::dictionary() { return alloc()->init()->autorelease(); }

Dictionary* Dictionary::dictionary(const Object* pObject, const Object* pKey) { return dictionary(&pObject, &pKey, 1); }

Dictionary* Dictionary::dictionary(const Object* const* pObjects, const Object* const* pKeys, UInteger count) {
  return alloc()->init(pObjects, pKeys, count)->autorelease();
}

Dictionary* Dictionary::alloc() { return new Dictionary; }

Dictionary* Dictionary::init() { return this; }

Dictionary* Dictionary::init(const Object* const* pObjects, const Object* const* pKeys, UInteger count) {
  for (UInteger i = 0; i < count; ++i)
    entries_.insert_or_assign(RetainPtr(const_cast<Object*>(pKeys[i])), RetainPtr(const_cast<Object*>(pObjects[i])));
  return this;
}

Object* Dictionary::find(const Object* pKey) const {
  const auto entry = entries_.find(RetainPtr(const_cast<Object*>(pKey)));
  return entry == entries_.end() ? nullptr : entry->second.get();
}

Array* Dictionary::allKeys() const {
  std::vector<const Object*> keys;
  for (const auto& entry : entries_) keys.push_back(entry.first.get());
  return Array::array(keys.data(), keys.size());
}

String* Dictionary::description() const {
  std::string text = "{";
  for (const auto& [key, value] : entries_) {
    text.append(text.size() > 1 ? ", " : "").append(key->description()->utf8String());
    text.append(" = ").append(value->description()->utf8String());
  }
  return String::string((text + "}").c_str(), UTF8StringEncoding);
}

}  // namespace NS
