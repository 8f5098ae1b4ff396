#include "executor/machine_code.h"

#include "cache/kernel_info.h"
#include "executor/compiled_kernel.h"
#include "executor/executor.h"

namespace mslc {

std::string pack_machine_code(const KernelInfo& info, std::string_view compiled) {
  ByteWriter out;
  out.add(compiled);
  write_kernel_info(out, info);
  return out.take();
}

std::shared_ptr<const Kernel> load_machine_code(std::string_view bytes) {
  ByteReader in(bytes);
  const CompiledKernel compiled = deserialise(in.read_text());
  return load(compiled, read_kernel_info(in));
}

}  // namespace mslc
