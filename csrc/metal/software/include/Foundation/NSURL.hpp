#pragma once

#include "Foundation/NSSharedPtr.hpp"
#include "Foundation/NSString.hpp"

namespace NS {

/// The address of a file.
class URL : public Copying<URL> {
 public:
  static URL* fileURLWithPath(const String* pPath);

  static URL* alloc();
  URL* initFileURLWithPath(const String* pPath);

  const char* fileSystemRepresentation() const;

  UInteger hash() const override;
  bool isEqual(const Object* pObject) const override;
  String* description() const override;

 private:
  SharedPtr<String> path_;
};

}  // namespace NS
