#include "cache/translated_source.h"

#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/Support/raw_ostream.h>

#include "cache/bytes.h"
#include "cache/kernel_info.h"

namespace mslc {

namespace {

void write_text(ByteWriter& out, const std::string& text) { out.add(text); }
std::string read_text(ByteReader& in) { return in.read_text(); }

void write_constant(ByteWriter& out, const FunctionConstant& constant) {
  out.add(constant.name);
  out.add(constant.type);
  out.add(constant.index);
  out.add(uint64_t{constant.size});
}

FunctionConstant read_constant(ByteReader& in) {
  FunctionConstant constant;
  constant.name = in.read_text();
  constant.type = in.read_text();
  constant.index = in.read<unsigned>();
  constant.size = in.read<uint64_t>();
  return constant;
}

void write_dependency(ByteWriter& out, const Dependency& dependency) {
  out.add(dependency.path);
  out.add(dependency.state);
}

Dependency read_dependency(ByteReader& in) {
  Dependency dependency;
  dependency.path = in.read_text();
  dependency.state = in.read_text();
  return dependency;
}

}  // namespace

TranslatedSource to_source(const Translation& translation) {
  TranslatedSource source{translation.kernels, translation.kernel_functions, translation.constants,
                          translation.dependencies, {}};
  llvm::raw_string_ostream stream(source.bitcode);
  llvm::WriteBitcodeToFile(*translation.module, stream);
  return source;
}

std::string serialise(const TranslatedSource& source) {
  ByteWriter out;
  out.add_list(source.kernels, write_kernel_info);
  out.add_list(source.kernel_functions, write_text);
  out.add_list(source.constants, write_constant);
  out.add_list(source.dependencies, write_dependency);
  out.add(source.bitcode);
  return out.take();
}

TranslatedSource deserialise_source(std::string_view bytes) {
  ByteReader in(bytes);
  TranslatedSource source;
  source.kernels = in.read_list<KernelInfo>(read_kernel_info);
  source.kernel_functions = in.read_list<std::string>(read_text);
  source.constants = in.read_list<FunctionConstant>(read_constant);
  source.dependencies = in.read_list<Dependency>(read_dependency);
  source.bitcode = in.read_text();
  return source;
}

}  // namespace mslc
