#include "cli/compile.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>

#include "cli/table.h"
#include "front/llvm_text.h"

namespace mslc::cli {

namespace {

struct Request {
  std::vector<std::string> files;
  SourceOptions source;
  std::optional<CodeForm> form;
  bool emit_llvm = false;
  std::string kernel, output;
};

CodeForm parse_form(const std::string& name) {
  static const std::map<std::string, CodeForm> forms = {{"ir-thread", CodeForm::ThreadIr},
                                                        {"ir", CodeForm::SimdgroupIr},
                                                        {"asm", CodeForm::Assembly},
                                                        {"obj", CodeForm::Object}};
  const auto found = forms.find(name);
  if (found == forms.end()) throw UsageError("--emit: '" + name + "' is not ir, ir-thread, asm or obj");
  return found->second;
}

Request parse(ArgumentReader& arguments) {
  Request request;
  while (arguments.next()) {
    if (request.source.read(arguments)) continue;
    if (auto form = arguments.value("--emit")) {
      request.form = parse_form(*form);
    } else if (arguments.is("--emit-llvm")) {
      request.emit_llvm = true;
    } else if (auto kernel = arguments.value("--kernel")) {
      request.kernel = *kernel;
    } else if (auto target = arguments.value("--target")) {
      request.source.compile.target = *target;
    } else if (auto output = arguments.value("-o")) {
      request.output = *output;
    } else if (arguments.is_option()) {
      throw UsageError("unknown option '" + arguments.argument() + "'");
    } else {
      request.files.push_back(arguments.argument());
    }
  }
  if (request.files.empty()) throw UsageError("no input file");
  if (!request.kernel.empty() && !request.form) throw UsageError("--kernel goes with --emit");
  if (request.form && request.emit_llvm) throw UsageError("--emit or --emit-llvm, not both");
  return request;
}

std::string place(const Argument& argument) {
  switch (argument.kind) {
    case ArgumentKind::Buffer: return "buffer(" + std::to_string(argument.index) + ")";
    case ArgumentKind::ThreadgroupMemory: return "threadgroup(" + std::to_string(argument.index) + ")";
    case ArgumentKind::BuiltIn: return argument.attribute;
  }
  return {};
}

void list(std::ostream& stream, const Library& library) {
  for (const KernelInfo& kernel : library.kernels()) {
    stream << "kernel " << kernel.name << "\n";
    std::vector<std::vector<std::string>> rows;
    for (const Argument& argument : kernel.arguments) {
      rows.push_back({place(argument), argument.type, argument.name,
                      argument.size ? std::to_string(argument.size) + " bytes" : ""});
    }
    print_table(stream, rows);
  }
  std::vector<std::vector<std::string>> rows;
  for (const FunctionConstant& constant : library.function_constants()) {
    rows.push_back({"function_constant(" + std::to_string(constant.index) + ")", constant.type, constant.name});
  }
  if (!rows.empty()) stream << "function constants\n";
  print_table(stream, rows);
}

void emit(std::ostream& stream, const Library& library, const Request& request, const ConstantValues& constants) {
  std::vector<std::string> names;
  if (!request.kernel.empty()) {
    names.push_back(find_kernel(library, request.kernel).name);
  } else {
    for (const KernelInfo& kernel : library.kernels()) names.push_back(kernel.name);
  }
  const bool is_object = request.form == CodeForm::Object;
  if (is_object && names.size() != 1) throw UsageError("--emit=obj is of one kernel; choose it with --kernel");
  for (const std::string& name : names) {
    if (!is_object) stream << (request.form == CodeForm::Assembly ? "# kernel " : "; kernel ") << name << "\n";
    stream << library.code(name, *request.form, constants);
  }
}

void compile_to(std::ostream& stream, const std::string& file, const Request& request) {
  if (request.emit_llvm) {
    stream << llvm_text(read_file(file), options_for(file, request.source.compile));
    return;
  }
  const auto library = compile_file(file, request.source);
  const ConstantValues constants = constant_values(*library, request.source.constants);
  if (request.form) return emit(stream, *library, request, constants);
  for (const KernelInfo& kernel : library->kernels()) library->machine_code(kernel.name, constants);
  list(stream, *library);
}

}  // namespace

void compile(ArgumentReader& arguments) {
  const Request request = parse(arguments);
  if (request.output.empty()) {
    for (const std::string& file : request.files) compile_to(std::cout, file, request);
    return;
  }
  std::ostringstream text;  // a file that does not compile leaves the old output alone
  for (const std::string& file : request.files) compile_to(text, file, request);
  std::ofstream stream(request.output, std::ios::binary);
  stream << text.str() << std::flush;
  if (!stream) throw UsageError("cannot write '" + request.output + "': " + std::strerror(errno));
}

}  // namespace mslc::cli
