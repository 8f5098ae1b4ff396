#include "cache/disk_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <vector>

#include "cache_settings.h"
#include "mslc/mslc.h"

namespace mslc {

namespace fs = std::filesystem;

namespace {

// What a file begins with. The key tells a file that was renamed or copied, the checksum one that is not whole.
struct Header {
  char magic[8] = {'m', 's', 'l', 'c', 0, 0, 0, 1};
  Digest key{};
  Digest checksum{};
  uint64_t size = 0;
};

fs::path folder() { return fs::path(cache_directory()) / "mslc"; }

fs::path path_of(const Digest& key) {
  const std::string name = to_text(key);
  return folder() / name.substr(0, 2) / name.substr(2);
}

Digest checksum_of(std::string_view data) { return Hasher().add(data).finish(); }

// Closes and, unless it was renamed away, removes a temporary file.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) {
    static std::atomic<unsigned> counter;
    path_ = target;
    path_ += "." + std::to_string(getpid()) + "." + std::to_string(counter++) + ".tmp";
    descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  }
  ~TemporaryFile() {
    if (descriptor_ < 0) return;
    close(descriptor_);
    if (!renamed_) unlink(path_.c_str());
  }
  bool write_all(const void* data, size_t size) {
    const char* at = static_cast<const char*>(data);
    while (descriptor_ >= 0 && size > 0) {
      const ssize_t written = write(descriptor_, at, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      at += written;
      size -= written;
    }
    return descriptor_ >= 0;
  }
  void rename_to(const fs::path& target) { renamed_ = rename(path_.c_str(), target.c_str()) == 0; }

 private:
  fs::path path_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

struct StoredFile {
  fs::path path;
  uint64_t size;
  fs::file_time_type used;
};

std::vector<StoredFile> stored_files() {
  std::vector<StoredFile> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder(), error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // another process may remove files meanwhile
    if (!at->is_regular_file(gone)) continue;
    const uint64_t size = at->file_size(gone);
    const auto used = at->last_write_time(gone);
    if (!gone) files.push_back({at->path(), size, used});
  }
  return files;
}

// Removes the least recently used files until a tenth of the limit is free.
void evict(uint64_t limit) {
  std::vector<StoredFile> files = stored_files();
  uint64_t total = 0;
  for (const StoredFile& file : files) total += file.size;
  if (total <= limit) return;
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
  for (const StoredFile& file : files) {
    if (total <= limit - limit / 10) break;
    std::error_code gone;
    fs::remove(file.path, gone);
    total -= file.size;
  }
}

// Looks at the whole cache only now and then: at first, and after each 1/32 of the limit that this process stored.
void make_room(uint64_t stored, uint64_t limit) {
  static std::mutex mutex;
  static uint64_t since_last = ~uint64_t{0} / 2;
  const std::lock_guard lock(mutex);
  since_last += stored;
  if (since_last < limit / 32) return;
  since_last = 0;
  evict(limit);
}

}  // namespace

std::optional<std::string> load_from_cache(const Digest& key) {
  const fs::path path = path_of(key);
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  struct stat status{};
  std::string bytes;
  if (fstat(descriptor, &status) == 0) bytes.resize(status.st_size);
  const bool whole = read(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  futimens(descriptor, nullptr);  // used now
  close(descriptor);

  Header header;
  const Header expected;
  if (!whole || bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0 || header.key != key) return std::nullopt;
  bytes.erase(0, sizeof header);
  if (header.size != bytes.size() || header.checksum != checksum_of(bytes)) return std::nullopt;
  return bytes;
}

void store_in_cache(const Digest& key, std::string_view data) {
  const uint64_t limit = torch_metal::cache_limit();
  if (data.size() + sizeof(Header) > limit) return;
  const fs::path path = path_of(key);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  Header header;
  header.key = key;
  header.checksum = checksum_of(data);
  header.size = data.size();
  {
    TemporaryFile file(path);
    if (!file.write_all(&header, sizeof header) || !file.write_all(data.data(), data.size())) return;
    file.rename_to(path);
  }
  make_room(sizeof header + data.size(), limit);
}

std::string cache_directory() { return torch_metal::cache_folder(); }

uint64_t clear_cache() {
  uint64_t freed = 0;
  for (const StoredFile& file : stored_files()) {
    std::error_code gone;
    if (fs::remove(file.path, gone)) freed += file.size;
  }
  return freed;
}

}  // namespace mslc
