// The machine that kernels run on, in LLVM's terms.
#pragma once

#include <llvm/TargetParser/Host.h>

#include <string>

namespace mslc {

/// This processor, and ELF with the calling conventions that go with it, on every system: the executor loads objects
/// itself. (What compiled code calls, and is called by, takes arguments alike on macOS: pointers, 32 and 64 bits, floating
/// point, all in registers.)
inline std::string host_triple() {
#ifdef __APPLE__
  return "aarch64-unknown-linux-gnu";
#else
  return llvm::sys::getProcessTriple();
#endif
}

}  // namespace mslc
