// The preprocessed tokens of a translation unit, and edits on them.
//
// A rewrite reads the tokens, records edits, and commits them. To clang, inserted tokens are the expansion of a
// macro at the token they stand at: what it says about them points at the user's text.
#pragma once

#include <clang/Lex/Preprocessor.h>
#include <clang/Lex/Token.h>
#include <llvm/ADT/StringMap.h>
#include <llvm/ADT/StringRef.h>

#include <string>
#include <vector>

namespace mslc {

/// The file that inserted tokens seem to be spelt in.
inline constexpr char kRewrittenFile[] = "<rewritten>";

class TokenBuffer {
 public:
  /// No such token.
  static constexpr size_t npos = ~size_t{0};

  explicit TokenBuffer(clang::Preprocessor& preprocessor) : preprocessor_(preprocessor) {}

  /// Reads all that the preprocessor yields. `>>` is kept as two tokens until it is handed to the parser.
  void lex();
  /// Makes the parser read these tokens next. They must outlive parsing.
  void enter();

  size_t size() const { return tokens_.size(); }
  const clang::Token& operator[](size_t index) const { return tokens_[index].token; }
  clang::SourceLocation location(size_t index) const { return tokens_[index].token.getLocation(); }
  clang::Preprocessor& preprocessor() const { return preprocessor_; }

  /// Whether token `index` exists and is of this kind, or is this identifier or keyword.
  bool is(size_t index, clang::tok::TokenKind kind) const { return index < size() && (*this)[index].is(kind); }
  bool is(size_t index, llvm::StringRef word) const { return word == this->word(index); }
  bool is_word(size_t index) const { return !word(index).empty(); }
  /// Whether the `>` at `index` is the first half of what was written as `>>`.
  bool begins_shift(size_t index) const { return index + 1 < size() && tokens_[index + 1].joins_previous; }
  bool is_identifier(size_t index) const { return is(index, clang::tok::identifier); }
  /// The identifier or keyword at `index`, empty for anything else.
  llvm::StringRef word(size_t index) const;
  /// The source text of one token, or of [first, last) separated by spaces.
  std::string spelling(size_t index) const;
  std::string spelling(size_t first, size_t last) const;

  /// Index of the bracket that closes the one at `open`, npos if there is none. Angle brackets end at `;` and `{`.
  size_t closing(size_t open) const;
  /// Index of the bracket that opens the one at `close`, npos if there is none.
  size_t opening(size_t close) const;

  void erase(size_t first, size_t last);
  /// Inserts the tokens of `text` before token `index`.
  void insert(size_t index, llvm::StringRef text);
  void replace(size_t index, llvm::StringRef text);
  /// Applies the edits recorded so far. Indices refer to the new tokens afterwards.
  void commit();

 private:
  struct Item {
    clang::Token token;
    bool joins_previous = false;  // the second half of a `>>`
  };
  struct Text {
    std::vector<clang::Token> tokens;
    clang::SourceLocation start;
    unsigned length = 0;
  };
  struct Edit {
    size_t index;
    bool erases;
    const Text* inserted;
  };

  const Text& lexed(llvm::StringRef text);
  void append(std::vector<Item>& result, const Edit& edit);

  clang::Preprocessor& preprocessor_;
  std::vector<Item> tokens_;
  std::vector<Edit> edits_;
  std::vector<clang::Token> entered_;
  llvm::StringMap<Text> texts_;
};

}  // namespace mslc
