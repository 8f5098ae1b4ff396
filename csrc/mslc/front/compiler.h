// A clang instance set up for MSL, and the parse that goes through the rewrites.
#pragma once

#include <clang/Frontend/CompilerInstance.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/VirtualFileSystem.h>

#include <memory>
#include <string>

#include "mslc/mslc.h"

namespace mslc {

/// Name under which clang finds the precompiled header.
inline constexpr char kPrecompiledHeaderPath[] = "/mslc/stdlib.pch";
/// Folder under which clang finds the standard library.
inline constexpr char kStdlibPath[] = "/mslc/include";

/// The files of the standard library, over `base` for all other files.
llvm::IntrusiveRefCntPtr<llvm::vfs::OverlayFileSystem> standard_files(
    llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> base, const llvm::MemoryBuffer* precompiled_header);

/// A compiler with the dialect's options, reading from `files`. Diagnostics go to `diagnostics`.
std::unique_ptr<clang::CompilerInstance> make_compiler(const CompileOptions& options,
                                                       llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> files,
                                                       clang::DiagnosticConsumer& diagnostics);

/// Runs Sema over the main file: preprocess, rewrite, parse. `is_stdlib` allows what users may not write.
void parse_rewritten(clang::CompilerInstance& compiler, bool is_stdlib);

}  // namespace mslc
