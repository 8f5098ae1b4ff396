// The command line's options, as far as all commands share them.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mslc/mslc.h"

namespace mslc::cli {

/// The command line, or a file that it names, is not as it should be.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Walks through the command line.
class ArgumentReader {
 public:
  ArgumentReader(int argc, char** argv, int first) : arguments_(argv + first, argv + argc) {}

  /// Goes on to the next argument. False at the end.
  bool next() { return ++at_ < static_cast<int>(arguments_.size()); }
  const std::string& argument() const { return arguments_[at_]; }
  bool is_option() const { return argument().size() > 1 && argument()[0] == '-'; }
  bool contains(const std::string& flag) const {
    return std::find(arguments_.begin(), arguments_.end(), flag) != arguments_.end();
  }
  bool is(const std::string& flag) const { return argument() == flag; }
  /// The value of option `name`, joined ("-Ifoo", "--cpu=foo") or the argument after it; nothing if this is another.
  std::optional<std::string> value(const std::string& name);

 private:
  std::vector<std::string> arguments_;
  int at_ = -1;
};

using NameAndValue = std::pair<std::string, std::string>;

/// "name=value", in two. `what` says what it is for.
NameAndValue split_setting(const std::string& text, const std::string& what);
std::vector<std::string> split(const std::string& text, char separator);
/// The names, each in quotes, with commas.
std::string join_names(const std::vector<std::string>& names);
/// A number above zero.
uint64_t parse_count(const std::string& text, const std::string& what);

/// What all commands that compile take.
struct SourceOptions {
  CompileOptions compile;
  std::vector<NameAndValue> constants;  ///< by name or index

  /// Whether the argument was one of these options, and is dealt with.
  bool read(ArgumentReader& arguments);
};

/// A compiled file.
std::shared_ptr<Library> compile_file(const std::string& file, const SourceOptions& options);
std::string read_file(const std::string& path);
/// Compile options for `file`: quoted includes are found beside it, as a compiler's user expects.
CompileOptions options_for(const std::string& file, CompileOptions options);

/// The values of function constants. Throws UsageError for one that the library does not have.
ConstantValues constant_values(const Library& library, const std::vector<NameAndValue>& settings);
/// The kernel called `name`. Throws UsageError that lists those there are.
const KernelInfo& find_kernel(const Library& library, const std::string& name);

}  // namespace mslc::cli
