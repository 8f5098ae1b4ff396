#include "runtime/flatten_source.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

#include "runtime/embedded_files.h"

namespace torch_metal {

namespace {

constexpr unsigned kMaxDepth = 200;  // as clang's

struct IncludeLine {
  std::string_view name;
  bool is_quoted;
};

// What an #include line names; nothing for another line.
std::optional<IncludeLine> parse_include(std::string_view line) {
  static constexpr std::string_view kBlank = " \t";
  const auto skip_blank = [&] { line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size())); };
  const auto take = [&](std::string_view word) {
    const bool found = line.starts_with(word);
    if (found) line.remove_prefix(word.size());
    return found;
  };
  skip_blank();
  if (!take("#")) return std::nullopt;
  skip_blank();
  if (!take("include") && !take("import")) return std::nullopt;
  skip_blank();
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return std::nullopt;
  const size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return IncludeLine{line.substr(1, end - 1), line[0] == '"'};
}

// Names the file and line of what follows, so that diagnostics speak of the real files.
class Flattener {
 public:
  explicit Flattener(const std::vector<std::string>& directories) : directories_(directories.begin(), directories.end()) {}

  std::string run(std::string_view source, std::string_view name) {
    append(source, name, {});
    return std::move(text_);
  }

 private:
  struct File {
    std::string name;
    std::string text;
    std::filesystem::path folder;
  };

  // `folder` is where the text was read; empty if it was not read from a disk.
  void append(std::string_view source, std::string_view name, const std::filesystem::path& folder) {
    TORCH_CHECK(++depth_ < kMaxDepth, "Files include each other without end: ", name);
    mark(1, name);
    size_t line_number = 0;
    while (!source.empty()) {
      const size_t end = std::min(source.find('\n'), source.size() - 1) + 1;
      const std::string_view line = source.substr(0, end);
      source.remove_prefix(end);
      ++line_number;
      const std::optional<IncludeLine> include = parse_include(line);
      const std::optional<File> file = include ? find(*include, folder) : std::nullopt;
      if (line.starts_with("#pragma once")) {
        text_ += '\n';
      } else if (!file) {
        text_ += line;
      } else if (file->text.find("#pragma once") != std::string::npos && !seen_.insert(file->name).second) {
        text_ += '\n';
      } else {
        append(file->text, file->name, file->folder);
        mark(line_number + 1, name);
      }
    }
    if (!text_.ends_with('\n')) text_ += '\n';
    --depth_;
  }

  void mark(size_t line, std::string_view name) {
    text_.append("#line ").append(std::to_string(line)).append(" \"").append(name).append("\"\n");
  }

  std::optional<File> find(const IncludeLine& include, const std::filesystem::path& folder) const {
    if (include.is_quoted && !folder.empty())
      if (auto file = read(folder / include.name)) return file;
    for (const std::filesystem::path& directory : directories_)
      if (auto file = read(directory / include.name)) return file;
    if (const EmbeddedFile* const file = find_embedded_file(include.name)) return File{file->name, {file->text, file->size}, {}};
    return std::nullopt;
  }

  static std::optional<File> read(const std::filesystem::path& path) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
    std::ifstream stream(path, std::ios::binary);
    if (!stream) return std::nullopt;
    return File{path.lexically_normal().string(), {std::istreambuf_iterator<char>(stream), {}}, path.parent_path()};
  }

  const std::vector<std::filesystem::path> directories_;
  std::string text_;
  std::set<std::string> seen_;
  unsigned depth_ = 0;
};

}  // namespace

std::string flatten_source(std::string_view source, std::string_view name,
                           const std::vector<std::string>& include_directories) {
  return Flattener(include_directories).run(source, name);
}

}  // namespace torch_metal
