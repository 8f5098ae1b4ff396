// Reference counting. As in Objective-C: `alloc`, `new...` and `copy` hand over one reference; everything else
// returns an object that the innermost autorelease pool of the thread will release.
#pragma once

#include <atomic>

#include "Foundation/NSTypes.hpp"

namespace NS {

class Object;
class String;

namespace detail {
// Functions, not methods: messages to null are legal, and these two are the ones that code relies on.
void retain(const Object* object);
void release(const Object* object);
void autorelease(const Object* object);
}  // namespace detail

/// The root of all classes.
class Object {
 public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  Object* retain() {
    detail::retain(this);
    return this;
  }
  void release() { detail::release(this); }
  Object* autorelease() {
    detail::autorelease(this);
    return this;
  }
  UInteger retainCount() const { return references_.load(std::memory_order_relaxed); }

  virtual UInteger hash() const;
  virtual bool isEqual(const Object* pObject) const;
  virtual String* description() const;
  String* debugDescription() const { return description(); }

 protected:
  Object() = default;
  virtual ~Object();
  /// What copy() returns: the object itself, one reference more, unless a mutable class overrides it.
  virtual Object* newCopy() const;

 private:
  friend void detail::retain(const Object*);
  friend void detail::release(const Object*);
  mutable std::atomic<UInteger> references_{1};
};

/// Gives a class the reference counting methods that return its own type.
template <class _Class, class _Base = Object>
class Referencing : public _Base {
 public:
  _Class* retain() {
    detail::retain(this);
    return static_cast<_Class*>(this);
  }
  _Class* autorelease() {
    detail::autorelease(this);
    return static_cast<_Class*>(this);
  }

 protected:
  using _Base::_Base;
};

template <class _Class, class _Base = Object>
class Copying : public Referencing<_Class, _Base> {
 public:
  _Class* copy() const { return static_cast<_Class*>(this->newCopy()); }

 protected:
  using Referencing<_Class, _Base>::Referencing;
};

}  // namespace NS
