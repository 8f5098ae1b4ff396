// Which pointers and references were declared without an address space.
#pragma once

#include <clang/Basic/SourceLocation.h>
#include <llvm/ADT/DenseSet.h>

#include "front/token_buffer.h"

namespace mslc {

/// `thread` leaves no trace in the AST, so this is read off the tokens as they were written.
class WrittenSpaces {
 public:
  /// Remembers the declarators of `tokens` that name no address space.
  void record(const TokenBuffer& tokens);
  /// Whether the pointer or reference declared at `name` does without an address space. An unnamed parameter's place
  /// is the token after it.
  bool is_bare(clang::SourceLocation name) const { return bare_.contains(name); }

 private:
  llvm::DenseSet<clang::SourceLocation> bare_;
};

}  // namespace mslc
