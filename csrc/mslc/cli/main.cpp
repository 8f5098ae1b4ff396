// mslc: compiles MSL files for the CPU and lists their kernels.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "front/llvm_text.h"
#include "mslc/mslc.h"

namespace {

constexpr char kHelp[] =
    R"(Usage: mslc [options] FILE.metal...
Compiles kernels written in the Metal Shading Language for this CPU and lists their arguments.

  -I DIR           also search DIR for included files
  -D NAME[=VALUE]  define a macro (VALUE is 1 if not given)
  --fast-math      compile as with MTLMathModeFast
  --cpu NAME       compile for LLVM's CPU NAME instead of this one
  --emit-llvm      print the front end's LLVM IR instead of the list
  --clear-cache    remove what earlier compilations left on disk
  --version        print the compiler's version and target
  --help           print this text

Exit status: 0 if all files compile, 1 if one does not, 2 for wrong usage.
)";

struct Request {
  std::vector<std::string> files;
  mslc::CompileOptions options;
  bool emit_llvm = false;
};

class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::pair<std::string, std::string> parse_macro(const std::string& text) {
  const size_t equal = text.find('=');
  return equal == std::string::npos ? std::pair(text, std::string("1"))
                                    : std::pair(text.substr(0, equal), text.substr(equal + 1));
}

// The value of option `name`, joined ("-Ifoo") or the next argument ("-I foo"); nothing if `argument` is another.
std::optional<std::string> option_value(const std::string& name, int& at, int argc, char** argv) {
  const std::string argument = argv[at];
  const bool joined = name.size() == 2;
  if (argument != name) {
    if (joined && argument.size() > 2 && argument.starts_with(name)) return argument.substr(2);
    return std::nullopt;
  }
  if (at + 1 >= argc) throw UsageError("'" + name + "' needs a value");
  return argv[++at];
}

Request parse_arguments(int argc, char** argv) {
  Request request;
  for (int at = 1; at < argc; ++at) {
    const std::string argument = argv[at];
    if (auto directory = option_value("-I", at, argc, argv)) {
      request.options.include_directories.push_back(*directory);
    } else if (auto macro = option_value("-D", at, argc, argv)) {
      request.options.macros.push_back(parse_macro(*macro));
    } else if (auto cpu = option_value("--cpu", at, argc, argv)) {
      request.options.cpu = *cpu;
    } else if (argument == "--fast-math") {
      request.options.fast_math = true;
    } else if (argument == "--emit-llvm") {
      request.emit_llvm = true;
    } else if (argument.size() > 1 && argument[0] == '-') {
      throw UsageError("unknown option '" + argument + "'");
    } else {
      request.files.push_back(argument);
    }
  }
  if (request.files.empty()) throw UsageError("no input file");
  return request;
}

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw UsageError("cannot read '" + path + "': " + std::strerror(errno));
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string place(const mslc::Argument& argument) {
  switch (argument.kind) {
    case mslc::ArgumentKind::Buffer: return "buffer(" + std::to_string(argument.index) + ")";
    case mslc::ArgumentKind::ThreadgroupMemory: return "threadgroup(" + std::to_string(argument.index) + ")";
    case mslc::ArgumentKind::BuiltIn: return argument.attribute;
  }
  return {};
}

void print_row(const std::vector<std::string>& cells, const std::vector<size_t>& widths) {
  std::string line = "  ";
  for (size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    if (i + 1 < cells.size()) line.append(widths[i] - cells[i].size() + 2, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  std::cout << line << "\n";
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) print_row(row, widths);
}

void print_library(const mslc::Library& library) {
  for (const mslc::KernelInfo& kernel : library.kernels()) {
    std::cout << "kernel " << kernel.name << "\n";
    std::vector<std::vector<std::string>> rows;
    for (const mslc::Argument& argument : kernel.arguments) {
      rows.push_back({place(argument), argument.type, argument.name,
                      argument.size ? std::to_string(argument.size) + " bytes" : ""});
    }
    print_table(rows);
  }
  std::vector<std::vector<std::string>> rows;
  for (const mslc::FunctionConstant& constant : library.function_constants()) {
    rows.push_back({"function_constant(" + std::to_string(constant.index) + ")", constant.type, constant.name});
  }
  if (!rows.empty()) std::cout << "function constants\n";
  print_table(rows);
}

// Quoted includes are found beside the file, as a compiler's user expects.
mslc::CompileOptions options_for(const std::string& file, mslc::CompileOptions options) {
  const size_t slash = file.find_last_of('/');
  options.file_name = file;
  options.include_directories.insert(options.include_directories.begin(),
                                     slash == std::string::npos ? "." : file.substr(0, slash + 1));
  return options;
}

void compile_file(const std::string& file, const Request& request) {
  const std::string source = read_file(file);
  const mslc::CompileOptions options = options_for(file, request.options);
  if (request.emit_llvm) {
    std::cout << mslc::llvm_text(source, options);
    return;
  }
  const auto library = mslc::Library::compile(source, options);
  for (const mslc::KernelInfo& kernel : library->kernels()) library->kernel(kernel.name);
  print_library(*library);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string first = argc == 2 ? argv[1] : "";
    if (first == "--help" || first == "-h") {
      std::cout << kHelp;
    } else if (first == "--version") {
      std::cout << mslc::version() << "\n";
    } else if (first == "--clear-cache") {
      std::cout << mslc::clear_cache() << " bytes removed from " << mslc::cache_directory() << "\n";
    } else {
      const Request request = parse_arguments(argc, argv);
      for (const std::string& file : request.files) compile_file(file, request);
    }
    return 0;
  } catch (const mslc::CompileError& error) {
    std::cerr << error.what();
    return 1;
  } catch (const UsageError& error) {
    std::cerr << "mslc: error: " << error.what() << "\nTry 'mslc --help'.\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "mslc: error: " << error.what() << "\n";
    return 2;
  }
}
