#include "executor/compiled_kernel.h"

#include <cstring>
#include <stdexcept>

namespace mslc {

namespace {

struct Header {
  char magic[8];
  uint64_t threadgroup_bytes;
  uint64_t stack_bytes;
  uint64_t has_barriers;
  uint64_t validates;
  uint64_t site_bytes;
  uint64_t object_bytes;
};

constexpr char kMagic[8] = {'m', 's', 'l', 'c', 'o', 'b', 'j', '2'};

}  // namespace

std::string serialise(const CompiledKernel& kernel) {
  const std::string sites = serialise(kernel.sites);
  Header header{{}, kernel.threadgroup_bytes, kernel.stack_bytes, kernel.has_barriers, kernel.validates, sites.size(),
                kernel.object.size()};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  return bytes + sites + kernel.object;
}

CompiledKernel deserialise(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof header) throw std::runtime_error("compiled kernel is cut short");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || bytes.size() - sizeof header < header.site_bytes ||
      bytes.size() - sizeof header - header.site_bytes != header.object_bytes)
    throw std::runtime_error("not a compiled kernel");
  CompiledKernel kernel;
  kernel.sites = deserialise_sites(bytes.substr(sizeof header, header.site_bytes));
  kernel.object = bytes.substr(sizeof header + header.site_bytes);
  kernel.validates = header.validates != 0;
  kernel.threadgroup_bytes = header.threadgroup_bytes;
  kernel.stack_bytes = header.stack_bytes;
  kernel.has_barriers = header.has_barriers != 0;
  return kernel;
}

}  // namespace mslc
