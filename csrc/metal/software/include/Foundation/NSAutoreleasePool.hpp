// Autorelease pools: a stack on every thread. What is autoreleased without a pool lives until the thread ends.
#pragma once

#include "Foundation/NSObject.hpp"

namespace NS {

class AutoreleasePool : public Object {
 public:
  static AutoreleasePool* alloc();
  /// Pushes the pool on this thread's stack.
  AutoreleasePool* init();
  /// Releases the pool; it and every pool above it are popped.
  void drain() { release(); }
  void addObject(Object* pObject);

 private:
  ~AutoreleasePool() override;
  UInteger start_ = UIntegerMax;  // height of the thread's stack below this pool
};

}  // namespace NS
