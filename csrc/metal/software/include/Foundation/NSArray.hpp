// An immutable array that owns its elements.
#pragma once

#include <vector>

#include "Foundation/NSSharedPtr.hpp"

namespace NS {

template <class _ObjectType>
class Enumerator;

class Array : public Copying<Array> {
 public:
  static Array* array();
  static Array* array(const Object* pObject);
  static Array* array(const Object* const* pObjects, UInteger count);

  static Array* alloc();
  Array* init();
  Array* init(const Object* const* pObjects, UInteger count);

  /// Element `index`; throws std::out_of_range.
  template <class _Object = Object>
  _Object* object(UInteger index) const {
    return static_cast<_Object*>(objects_.at(index).get());
  }
  UInteger count() const { return objects_.size(); }
  Enumerator<Object>* objectEnumerator() const;

  UInteger hash() const override;
  bool isEqual(const Object* pObject) const override;
  String* description() const override;

 private:
  std::vector<SharedPtr<Object>> objects_;
};

}  // namespace NS

#include "Foundation/NSEnumerator.hpp"
