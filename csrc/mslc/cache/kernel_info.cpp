#include "cache/kernel_info.h"

namespace mslc {

namespace {

void write_argument(ByteWriter& out, const Argument& argument) {
  out.add(argument.name);
  out.add(argument.type);
  out.add(argument.attribute);
  out.add(argument.kind);
  out.add(argument.index);
  out.add(uint64_t{argument.size});
  out.add(uint64_t{argument.alignment});
  out.add(argument.read_only);
}

Argument read_argument(ByteReader& in) {
  Argument argument;
  argument.name = in.read_text();
  argument.type = in.read_text();
  argument.attribute = in.read_text();
  argument.kind = in.read<ArgumentKind>();
  argument.index = in.read<unsigned>();
  argument.size = in.read<uint64_t>();
  argument.alignment = in.read<uint64_t>();
  argument.read_only = in.read<bool>();
  return argument;
}

}  // namespace

void write_kernel_info(ByteWriter& out, const KernelInfo& kernel) {
  out.add(kernel.name);
  out.add_list(kernel.arguments, write_argument);
  out.add(kernel.max_threads_per_threadgroup);
}

KernelInfo read_kernel_info(ByteReader& in) {
  KernelInfo kernel;
  kernel.name = in.read_text();
  kernel.arguments = in.read_list<Argument>(read_argument);
  kernel.max_threads_per_threadgroup = in.read<unsigned>();
  return kernel;
}

}  // namespace mslc
