// Reference counts and autorelease pools.
#include "Foundation/NSObject.hpp"

#include <cstdio>
#include <vector>

#include "Foundation/NSAutoreleasePool.hpp"
#include "Foundation/NSString.hpp"

namespace NS {
namespace {

// The objects that the pools of one thread will release; a pool is the height at which it was pushed.
class PoolStack {
 public:
  ~PoolStack() { pop_to(0); }

  size_t height() const { return objects_.size(); }
  void push(const Object* object) { objects_.push_back(object); }
  // Releasing an object may autorelease others: they go the same way.
  void pop_to(size_t height) {
    while (objects_.size() > height) {
      const Object* const object = objects_.back();
      objects_.pop_back();
      detail::release(object);
    }
  }

 private:
  std::vector<const Object*> objects_;
};

PoolStack& pool_stack() {
  static thread_local PoolStack stack;
  return stack;
}

}  // namespace

namespace detail {

void retain(const Object* object) {
  if (object) object->references_.fetch_add(1, std::memory_order_relaxed);
}

void release(const Object* object) {
  if (object && object->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete object;
}

void autorelease(const Object* object) {
  if (object) pool_stack().push(object);
}

}  // namespace detail

Object::~Object() = default;

UInteger Object::hash() const { return reinterpret_cast<UInteger>(this) >> 4; }

bool Object::isEqual(const Object* pObject) const { return this == pObject; }

String* Object::description() const {
  char text[32];
  std::snprintf(text, sizeof(text), "<object %p>", static_cast<const void*>(this));
  return String::string(text, UTF8StringEncoding);
}

Object* Object::newCopy() const {
  detail::retain(this);
  return const_cast<Object*>(this);
}

AutoreleasePool* AutoreleasePool::alloc() { return new AutoreleasePool; }

AutoreleasePool* AutoreleasePool::init() {
  start_ = pool_stack().height();
  return this;
}

void AutoreleasePool::addObject(Object* pObject) { detail::autorelease(pObject); }

AutoreleasePool::~AutoreleasePool() { pool_stack().pop_to(start_); }

}  // namespace NS
