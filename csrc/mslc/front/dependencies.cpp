#include "front/dependencies.h"

#include <llvm/Support/FileSystem.h>
#include <llvm/Support/MemoryBuffer.h>

#include <algorithm>

#include "cache/hash.h"

namespace mslc {

std::string state_of(const std::string& path) {
  if (llvm::sys::fs::is_directory(path)) return "folder";
  const auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  return buffer ? to_text(Hasher().add((*buffer)->getBuffer()).finish()) : "nothing";
}

bool unchanged(const std::vector<Dependency>& dependencies) {
  return std::all_of(dependencies.begin(), dependencies.end(),
                     [](const Dependency& dependency) { return state_of(dependency.path) == dependency.state; });
}

llvm::ErrorOr<llvm::vfs::Status> RecordingFileSystem::status(const llvm::Twine& path) {
  record(path);
  return ProxyFileSystem::status(path);
}

llvm::ErrorOr<std::unique_ptr<llvm::vfs::File>> RecordingFileSystem::openFileForRead(const llvm::Twine& path) {
  record(path);
  return ProxyFileSystem::openFileForRead(path);
}

void RecordingFileSystem::record(const llvm::Twine& path) {
  llvm::SmallString<256> absolute;
  path.toVector(absolute);
  llvm::sys::fs::make_absolute(absolute);
  const std::string name(absolute);
  const bool known = std::any_of(dependencies_.begin(), dependencies_.end(),
                                 [&](const Dependency& dependency) { return dependency.path == name; });
  if (!known) dependencies_.push_back({name, state_of(name)});
}

}  // namespace mslc
