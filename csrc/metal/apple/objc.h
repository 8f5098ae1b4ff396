// Messages to Objective-C objects, for frameworks that metal-cpp does not cover.
#pragma once

#include <objc/message.h>
#include <objc/runtime.h>

namespace torch_metal {

/// [receiver selector...]. Types are those of the method's declaration in Objective-C; the number of arguments is the
/// number of colons.
template <class Result, class... Arguments>
Result send(const void* receiver, const char* selector, Arguments... arguments) {
  using Method = Result (*)(const void*, SEL, Arguments...);
  return reinterpret_cast<Method>(&objc_msgSend)(receiver, sel_registerName(selector), arguments...);
}

/// The class of that name, null if this macOS has none.
inline const void* objc_class(const char* name) { return objc_lookUpClass(name); }

/// Whether objects of a class have a method, which older releases of macOS may lack. False for null.
inline bool responds(const void* objects_class, const char* selector) {
  return send<bool>(objects_class, "instancesRespondToSelector:", sel_registerName(selector));
}

}  // namespace torch_metal
