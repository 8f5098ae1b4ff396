#include "validate/check_site.h"

#include "cache/bytes.h"

namespace mslc {

namespace {

void write_site(ByteWriter& out, const CheckSite& site) {
  out.add(site.location);
  out.add(site.kind);
  out.add(site.is_atomic);
  out.add(site.is_copy);
  out.add(site.bytes);
  out.add(site.alignment);
  out.add(site.object);
  out.add(site.name);
  out.add(site.index);
  out.add(site.object_bytes);
  out.add(site.element_bytes);
}

CheckSite read_site(ByteReader& in) {
  CheckSite site;
  site.location = in.read_text();
  site.kind = in.read<CheckSite::Kind>();
  site.is_atomic = in.read<bool>();
  site.is_copy = in.read<bool>();
  site.bytes = in.read<uint64_t>();
  site.alignment = in.read<uint64_t>();
  site.object = in.read<CheckSite::Object>();
  site.name = in.read_text();
  site.index = in.read<unsigned>();
  site.object_bytes = in.read<uint64_t>();
  site.element_bytes = in.read<uint64_t>();
  return site;
}

}  // namespace

std::string serialise(const std::vector<CheckSite>& sites) {
  ByteWriter out;
  out.add_list(sites, write_site);
  return out.take();
}

std::vector<CheckSite> deserialise_sites(std::string_view bytes) {
  ByteReader in(bytes);
  return in.read_list<CheckSite>(read_site);
}

}  // namespace mslc
