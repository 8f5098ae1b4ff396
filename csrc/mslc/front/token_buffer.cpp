#include "front/token_buffer.h"

#include <clang/Basic/SourceManager.h>
#include <clang/Lex/Lexer.h>
#include <llvm/Support/MemoryBuffer.h>

#include <algorithm>

#include "front/diagnostics.h"
#include "front/limits.h"

namespace mslc {

using clang::Token;
namespace tok = clang::tok;

void TokenBuffer::lex() {
  Token token;
  for (preprocessor_.Lex(token); token.isNot(tok::eof); preprocessor_.Lex(token)) {
    if (size() == kMaxTokens) {
      report_error(preprocessor_.getDiagnostics(), token.getLocation(), "the source expands to more than %0 tokens",
                   std::to_string(kMaxTokens));
      break;
    }
    if (token.isNot(tok::greatergreater)) {
      tokens_.push_back({token});
      continue;
    }
    token.setKind(tok::greater);
    token.setLength(1);
    tokens_.push_back({token});
    token.setLocation(token.getLocation().getLocWithOffset(1));
    token.clearFlag(Token::LeadingSpace);
    tokens_.push_back({token, true});
  }
  tokens_.push_back({token});
}

void TokenBuffer::enter() {
  entered_.reserve(tokens_.size() + 8);
  for (const Item& item : tokens_) {
    if (item.joins_previous && !entered_.empty() && entered_.back().is(tok::greater) &&
        entered_.back().getLocation().getLocWithOffset(1) == item.token.getLocation()) {
      entered_.back().setKind(tok::greatergreater);
      entered_.back().setLength(2);
    } else {
      entered_.push_back(item.token);
    }
  }
  const Token end = entered_.back();
  entered_.insert(entered_.end(), 7, end);  // the parser looks ahead by a few tokens
  preprocessor_.EnterTokenStream(entered_, /*DisableMacroExpansion=*/true, /*IsReinject=*/false);
}

llvm::StringRef TokenBuffer::word(size_t index) const {
  if (index >= size() || (*this)[index].isAnnotation() || (*this)[index].isLiteral()) return {};
  const clang::IdentifierInfo* info = (*this)[index].getIdentifierInfo();
  return info ? info->getName() : llvm::StringRef();
}

std::string TokenBuffer::spelling(size_t index) const {
  if ((*this)[index].isAnnotation()) return {};
  llvm::SmallString<64> buffer;  // this form of getSpelling looks where the characters of a literal lie
  return preprocessor_.getSpelling((*this)[index], buffer).str();
}

std::string TokenBuffer::spelling(size_t first, size_t last) const {
  std::string text;
  for (size_t i = first; i < last; ++i) (text += i == first ? "" : " ") += spelling(i);
  return text;
}

namespace {

tok::TokenKind closing_kind(tok::TokenKind open) {
  switch (open) {
    case tok::l_paren: return tok::r_paren;
    case tok::l_square: return tok::r_square;
    case tok::l_brace: return tok::r_brace;
    case tok::less: return tok::greater;
    default: return tok::unknown;
  }
}

tok::TokenKind opening_kind(tok::TokenKind close) {
  switch (close) {
    case tok::r_paren: return tok::l_paren;
    case tok::r_square: return tok::l_square;
    case tok::r_brace: return tok::l_brace;
    case tok::greater: return tok::less;
    default: return tok::unknown;
  }
}

}  // namespace

size_t TokenBuffer::closing(size_t open) const {
  const tok::TokenKind opens = (*this)[open].getKind(), closes = closing_kind(opens);
  const bool angle = opens == tok::less;
  size_t depth = 0;
  for (size_t i = open; i < size(); ++i) {
    const tok::TokenKind kind = (*this)[i].getKind();
    if (kind == opens) {
      ++depth;
    } else if (kind == closes) {
      if (--depth == 0) return i;
    } else if (angle && (kind == tok::l_paren || kind == tok::l_square)) {
      i = closing(i);
      if (i == npos) return npos;
    } else if (angle && (kind == tok::semi || kind == tok::l_brace || kind == tok::r_paren)) {
      return npos;
    }
  }
  return npos;
}

size_t TokenBuffer::opening(size_t close) const {
  const tok::TokenKind closes = (*this)[close].getKind(), opens = opening_kind(closes);
  size_t depth = 0;
  for (size_t i = close; i != npos; --i) {
    if (is(i, closes)) {
      ++depth;
    } else if (is(i, opens) && --depth == 0) {
      return i;
    } else if (closes == tok::greater && (is(i, tok::semi) || is(i, tok::r_brace))) {
      return npos;
    }
  }
  return npos;
}

void TokenBuffer::erase(size_t first, size_t last) {
  for (size_t i = first; i < last; ++i) edits_.push_back({i, true, nullptr});
}

void TokenBuffer::insert(size_t index, llvm::StringRef text) { edits_.push_back({index, false, &lexed(text)}); }

void TokenBuffer::replace(size_t index, llvm::StringRef text) { edits_.push_back({index, true, &lexed(text)}); }

void TokenBuffer::commit() {
  if (edits_.empty()) return;
  std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) { return a.index < b.index; });
  std::vector<Item> result;
  result.reserve(tokens_.size() + 8 * edits_.size());
  size_t edit = 0;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    bool erased = false;
    for (; edit < edits_.size() && edits_[edit].index == i; ++edit) {
      erased |= edits_[edit].erases;
      append(result, edits_[edit]);
    }
    if (!erased) result.push_back(tokens_[i]);
  }
  tokens_ = std::move(result);
  edits_.clear();
}

// The tokens need locations of their own: the parser tells them apart by these when it looks ahead.
void TokenBuffer::append(std::vector<Item>& result, const Edit& edit) {
  if (!edit.inserted) return;
  const clang::SourceLocation at = location(edit.index);
  const Text& text = *edit.inserted;
  if (edit.erases && text.tokens.size() == 1) {
    result.push_back({text.tokens.front()});
    result.back().token.setLocation(at);
    return;
  }
  const clang::SourceLocation expansion =
      preprocessor_.getSourceManager().createExpansionLoc(text.start, at, at, text.length);
  const unsigned start = text.start.getRawEncoding();
  for (const Token& token : text.tokens) {
    result.push_back({token});
    result.back().token.setLocation(expansion.getLocWithOffset(token.getLocation().getRawEncoding() - start));
  }
}

// Lexes `text` once; its characters live in the map's key, which literals point to.
const TokenBuffer::Text& TokenBuffer::lexed(llvm::StringRef text) {
  auto [entry, is_new] = texts_.try_emplace(text);
  Text& result = entry->second;
  if (!is_new) return result;
  const llvm::StringRef key = entry->first();
  clang::SourceManager& sources = preprocessor_.getSourceManager();
  result.start = sources.getLocForStartOfFile(sources.createFileID(llvm::MemoryBuffer::getMemBuffer(key, kRewrittenFile)));
  result.length = key.size();
  clang::Lexer lexer(result.start, preprocessor_.getLangOpts(), key.begin(), key.begin(), key.end());
  Token token;
  for (lexer.LexFromRawLexer(token); token.isNot(tok::eof); lexer.LexFromRawLexer(token)) {
    if (token.is(tok::raw_identifier)) preprocessor_.LookUpIdentifierInfo(token);
    result.tokens.push_back(token);
  }
  return result;
}

}  // namespace mslc
