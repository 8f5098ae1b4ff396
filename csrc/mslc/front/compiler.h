// A clang instance set up for MSL, and the parse that goes through the rewrites.
#pragma once

#include <clang/Frontend/CompilerInstance.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/VirtualFileSystem.h>

#include <memory>
#include <string>

#include "front/stdlib_files.h"
#include "front/token_buffer.h"
#include "mslc/mslc.h"

namespace mslc {

/// Name under which clang finds the precompiled header.
inline constexpr char kPrecompiledHeaderPath[] = "/mslc/stdlib.pch";

/// The files of the standard library, over `base` for all other files.
llvm::IntrusiveRefCntPtr<llvm::vfs::OverlayFileSystem> standard_files(
    llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> base, const llvm::MemoryBuffer* precompiled_header);

/// A compiler with the dialect's options, reading from `files`. Diagnostics go to `diagnostics`.
std::unique_ptr<clang::CompilerInstance> make_compiler(const CompileOptions& options,
                                                       llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> files,
                                                       clang::DiagnosticConsumer& diagnostics);

/// Runs Sema over the main file: preprocess, rewrite, parse. `inspect` sees the tokens as they were written; nothing is
/// parsed if it reports errors.
void parse_rewritten(clang::CompilerInstance& compiler, llvm::function_ref<void(const TokenBuffer&)> inspect);

}  // namespace mslc
