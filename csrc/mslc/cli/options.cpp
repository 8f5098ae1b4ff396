#include "cli/options.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "cli/element_type.h"

namespace mslc::cli {

std::optional<std::string> ArgumentReader::value(const std::string& name) {
  const bool is_short = name.size() == 2;
  if (argument() != name) {
    const std::string prefix = is_short ? name : name + "=";
    if (!argument().starts_with(prefix) || argument().size() == prefix.size()) return std::nullopt;
    return argument().substr(prefix.size());
  }
  if (!next()) throw UsageError("'" + name + "' needs a value");
  return argument();
}

NameAndValue split_setting(const std::string& text, const std::string& what) {
  const size_t equal = text.find('=');
  if (equal == std::string::npos || equal == 0) throw UsageError("'" + text + "' is not " + what);
  return {text.substr(0, equal), text.substr(equal + 1)};
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
  return text;
}

uint64_t parse_count(const std::string& text, const std::string& what) {
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count == 0)
    throw UsageError(what + ": '" + text + "' is not a number above zero");
  return count;
}

bool SourceOptions::read(ArgumentReader& arguments) {
  if (auto directory = arguments.value("-I")) {
    compile.include_directories.push_back(*directory);
  } else if (auto macro = arguments.value("-D")) {
    compile.macros.push_back(macro->find('=') == std::string::npos ? NameAndValue(*macro, "1")
                                                                   : split_setting(*macro, "a macro"));
  } else if (auto constant = arguments.value("--constant")) {
    constants.push_back(split_setting(*constant, "a function constant's NAME=VALUE"));
  } else if (auto cpu = arguments.value("--cpu")) {
    compile.cpu = *cpu;
  } else if (arguments.is("--fast-math") || arguments.is("-ffast-math")) {
    compile.fast_math = true;
  } else if (arguments.is("--validate")) {
    compile.validate = true;
  } else {
    return false;
  }
  return true;
}

std::string read_file(const std::string& path) {
  if (std::filesystem::is_directory(path)) throw UsageError("'" + path + "' is a folder");
  std::ifstream stream(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw UsageError("cannot read '" + path + "': " + std::strerror(errno));
  return text;
}

CompileOptions options_for(const std::string& file, CompileOptions options) {
  const size_t slash = file.find_last_of('/');
  options.file_name = file;
  options.include_directories.insert(options.include_directories.begin(),
                                     slash == std::string::npos ? "." : file.substr(0, slash + 1));
  return options;
}

std::shared_ptr<Library> compile_file(const std::string& file, const SourceOptions& options) {
  return Library::compile(read_file(file), options_for(file, options.compile));
}

ConstantValues constant_values(const Library& library, const std::vector<NameAndValue>& settings) {
  ConstantValues values;
  for (const auto& [name, text] : settings) {
    const auto& constants = library.function_constants();
    const auto found = std::find_if(constants.begin(), constants.end(), [&, &name = name](const FunctionConstant& c) {
      return c.name == name || std::to_string(c.index) == name;
    });
    if (found == constants.end()) {
      std::vector<std::string> names;
      for (const FunctionConstant& constant : constants) names.push_back(constant.name);
      throw UsageError("no function constant '" + name + "'; " +
                       (names.empty() ? "the source has none" : "the source has " + join_names(names)));
    }
    const std::vector<std::byte> bytes = parse_numbers(found->type, text, "function constant '" + found->name + "'");
    if (bytes.size() != found->size)
      throw UsageError("function constant '" + found->name + "' is one " + found->type + ", not '" + text + "'");
    const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
    values[found->index].assign(data, data + bytes.size());
  }
  return values;
}

const KernelInfo& find_kernel(const Library& library, const std::string& name) {
  std::vector<std::string> names;
  for (const KernelInfo& kernel : library.kernels()) {
    if (kernel.name == name) return kernel;
    names.push_back(kernel.name);
  }
  throw UsageError("no kernel named '" + name + "'; " +
                   (names.empty() ? "the source has none" : "the source has " + join_names(names)));
}

}  // namespace mslc::cli
