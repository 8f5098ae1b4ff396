// Compiler messages in the terms of MSL.
#pragma once

#include <clang/Basic/DiagnosticOptions.h>
#include <clang/Frontend/TextDiagnosticPrinter.h>
#include <llvm/Support/raw_ostream.h>

#include <string>

namespace mslc {

/// Clang's spelling of types in a line of text, replaced by MSL's.
std::string in_metal_terms(std::string text);

/// Collects clang's messages as text: file, line, column, source line, caret.
class Diagnostics {
 public:
  clang::DiagnosticConsumer& consumer() { return printer_; }
  /// All messages so far, with address spaces and vectors named as in MSL.
  std::string text() const;

 private:
  static clang::DiagnosticOptions* options() {
    auto* const options = new clang::DiagnosticOptions;
    options->ShowPresumedLoc = true;  // #line directives say where a flattened source came from
    return options;
  }

  std::string raw_;
  llvm::raw_string_ostream stream_{raw_};
  clang::TextDiagnosticPrinter printer_{stream_, options()};
};

/// Reports an error at `location`; %0, %1, ... of `format` stand for the values.
template <typename... Values>
void report_error(clang::DiagnosticsEngine& diagnostics, clang::SourceLocation location, llvm::StringRef format,
                  const Values&... values) {
  const clang::DiagnosticBuilder builder =
      diagnostics.Report(location, diagnostics.getDiagnosticIDs()->getCustomDiagID(clang::DiagnosticIDs::Error, format));
  (void)(builder << ... << llvm::StringRef(values));
}

}  // namespace mslc
