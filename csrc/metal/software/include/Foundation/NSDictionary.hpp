// An immutable map; keys compare by hash() and isEqual().
#pragma once

#include <unordered_map>

#include "Foundation/NSArray.hpp"

namespace NS {

class Dictionary : public Copying<Dictionary> {
 public:
  static Dictionary* dictionary();
  static Dictionary* dictionary(const Object* pObject, const Object* pKey);
  static Dictionary* dictionary(const Object* const* pObjects, const Object* const* pKeys, UInteger count);

  static Dictionary* alloc();
  Dictionary* init();
  Dictionary* init(const Object* const* pObjects, const Object* const* pKeys, UInteger count);

  template <class _KeyType = Object>
  Enumerator<_KeyType>* keyEnumerator() const {
    return (new Enumerator<_KeyType>(RetainPtr(allKeys())))->autorelease();
  }

  /// The value of `pKey`, or null.
  template <class _Object = Object>
  _Object* object(const Object* pKey) const {
    return static_cast<_Object*>(find(pKey));
  }
  UInteger count() const { return entries_.size(); }

  String* description() const override;

 private:
  struct KeyHash {
    size_t operator()(const SharedPtr<Object>& key) const { return key->hash(); }
  };
  struct KeyEqual {
    bool operator()(const SharedPtr<Object>& a, const SharedPtr<Object>& b) const { return a->isEqual(b.get()); }
  };

  Object* find(const Object* pKey) const;
  Array* allKeys() const;
  std::unordered_map<SharedPtr<Object>, SharedPtr<Object>, KeyHash, KeyEqual> entries_;
};

}  // namespace NS
