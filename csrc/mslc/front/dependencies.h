// The files that a translation looked at, present or not.
#pragma once

#include <llvm/Support/VirtualFileSystem.h>

#include <string>
#include <vector>

namespace mslc {

/// A path and what was there: nothing, a folder, or a file with certain contents.
struct Dependency {
  std::string path;
  std::string state;
};

/// What is at `path` now, comparable with Dependency::state.
std::string state_of(const std::string& path);

/// Whether all is as it was.
bool unchanged(const std::vector<Dependency>& dependencies);

/// The real file system; notes every path that is asked for.
class RecordingFileSystem : public llvm::vfs::ProxyFileSystem {
 public:
  RecordingFileSystem() : ProxyFileSystem(llvm::vfs::getRealFileSystem()) {}

  llvm::ErrorOr<llvm::vfs::Status> status(const llvm::Twine& path) override;
  llvm::ErrorOr<std::unique_ptr<llvm::vfs::File>> openFileForRead(const llvm::Twine& path) override;

  const std::vector<Dependency>& dependencies() const { return dependencies_; }

 private:
  void record(const llvm::Twine& path);

  std::vector<Dependency> dependencies_;
};

}  // namespace mslc
