// A pointer that owns one reference.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "Foundation/NSObject.hpp"

namespace NS {

template <class _Class>
class SharedPtr {
  template <class _Other>
  using IfConvertible = std::enable_if_t<std::is_convertible_v<_Other*, _Class*>>;

 public:
  SharedPtr() = default;
  SharedPtr(std::nullptr_t) noexcept {}
  SharedPtr(const SharedPtr& other) noexcept : object_(other.object_) { detail::retain(object_); }
  template <class _Other, class = IfConvertible<_Other>>
  SharedPtr(const SharedPtr<_Other>& other) noexcept : object_(other.get()) {
    detail::retain(object_);
  }
  SharedPtr(SharedPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class _Other, class = IfConvertible<_Other>>
  SharedPtr(SharedPtr<_Other>&& other) noexcept : object_(other.get()) {
    other.detach();
  }
  ~SharedPtr() { detail::release(object_); }

  // By value: copies or moves, converts, and releases the old pointee when `other` ends.
  SharedPtr& operator=(SharedPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  _Class* get() const { return object_; }
  _Class* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

  void reset() { detail::release(std::exchange(object_, nullptr)); }
  /// Forgets the pointee without releasing it.
  void detach() { object_ = nullptr; }

  template <class _Other>
  friend SharedPtr<_Other> RetainPtr(_Other* pObject);
  template <class _Other>
  friend SharedPtr<_Other> TransferPtr(_Other* pObject);

 private:
  _Class* object_ = nullptr;
};

/// Owns a new reference to `pObject`.
template <class _Class>
SharedPtr<_Class> RetainPtr(_Class* pObject) {
  SharedPtr<_Class> result;
  detail::retain(pObject);
  result.object_ = pObject;
  return result;
}

/// Takes over a reference that the caller owns.
template <class _Class>
SharedPtr<_Class> TransferPtr(_Class* pObject) {
  SharedPtr<_Class> result;
  result.object_ = pObject;
  return result;
}

template <class _Left, class _Right>
bool operator==(const SharedPtr<_Left>& left, const SharedPtr<_Right>& right) {
  return left.get() == right.get();
}

template <class _Left, class _Right>
bool operator!=(const SharedPtr<_Left>& left, const SharedPtr<_Right>& right) {
  return left.get() != right.get();
}

}  // namespace NS
