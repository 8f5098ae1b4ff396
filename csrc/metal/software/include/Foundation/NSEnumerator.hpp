#pragma once

#include "Foundation/NSArray.hpp"

namespace NS {

/// Walks over objects that were collected when the enumerator was made.
template <class _ObjectType>
class Enumerator : public Referencing<Enumerator<_ObjectType>> {
 public:
  /// The next object, or null at the end.
  _ObjectType* nextObject() { return next_ < objects_->count() ? objects_->object<_ObjectType>(next_++) : nullptr; }
  Array* allObjects() { return objects_.get(); }

 private:
  friend class Array;
  friend class Dictionary;
  explicit Enumerator(SharedPtr<Array> objects) : objects_(std::move(objects)) {}
  SharedPtr<Array> objects_;
  UInteger next_ = 0;
};

inline Enumerator<Object>* Array::objectEnumerator() const {
  return (new Enumerator<Object>(TransferPtr(copy())))->autorelease();
}

}  // namespace NS
