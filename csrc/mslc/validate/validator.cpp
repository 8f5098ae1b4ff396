#include "validate/validator.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace mslc {

namespace {

// Of Metal's mem_flags.
constexpr uint32_t kOrdersDevice = 1, kOrdersThreadgroup = 2;
// Of device memory: races are looked for in 32 MB of floats, or less of smaller elements, by means of 320 MB.
constexpr size_t kMaxDeviceCells = size_t{8} << 20;
constexpr size_t kMinSpareBytes = 64;

const char* verb(const CheckSite& site) {
  if (site.kind == CheckSite::Kind::ReadWrite) return "atomic operation";
  const bool write = site.kind == CheckSite::Kind::Write;
  if (site.is_atomic) return write ? "atomic store" : "atomic load";
  return write ? "write" : "read";
}

std::string access_text(const CheckSite& site) { return std::string(verb(site)) + " of " + std::to_string(site.bytes) + " bytes"; }

template <class Visit>
void for_each_lane(uint32_t mask, Visit visit) {
  for (; mask; mask &= mask - 1) visit(static_cast<unsigned>(std::countr_zero(mask)));
}

}  // namespace

Validator::Validator(const KernelInfo& info, const std::vector<CheckSite>& sites, const Launch& launch, const Memory& memory)
    : info_(info),
      sites_(sites),
      launch_(launch),
      memory_(memory),
      device_shadow_(kMaxDeviceCells),
      threadgroup_shadow_(SIZE_MAX) {
  size_t longest = kMinSpareBytes;
  for (const CheckSite& site : sites) longest = std::max<size_t>(longest, site.bytes);
  spare_.resize(longest + kMinSpareBytes);
  zeros_.resize(longest + kMinSpareBytes);
}

void Validator::begin_group(uint64_t group) {
  shape_ = GroupShape(launch_, group);
  group_ = group;
  waits_.assign(shape_.simdgroups(), {});
  device_epochs_.assign(shape_.simdgroups(), 0);
  threadgroup_epochs_.assign(shape_.simdgroups(), 0);
  compared_barriers_ = 0;
  threadgroup_shadow_.clear();
}

void Validator::finish() const {
  if (!faults_.none()) throw ValidationError(faults_.text(info_.name));
}

// Barriers

void Validator::report_barrier(uint32_t site, const std::string& what) {
  const std::string& location = sites_[site].location;
  if (faults_.is_new(FaultKind::Barrier, location))
    faults_.describe(location + ": threadgroup_barrier is not reached by all threads of the threadgroup: " + what);
}

void Validator::arrive(uint32_t mask, uint32_t site) {
  Wait& wait = waits_[simdgroup_];
  ++wait.barriers;
  wait.site = site;
  const uint32_t absent = shape_.lanes(simdgroup_) & ~mask;
  if (absent) report_barrier(site, thread_text(std::countr_zero(absent)) + ", is elsewhere or has returned");
}

// The first SIMD-group that goes on finds all others waiting or at their end.
void Validator::go_on(uint32_t flags) {
  const Wait& own = waits_[simdgroup_];
  if (own.barriers > compared_barriers_) {
    compared_barriers_ = own.barriers;
    for (unsigned i = 0; i < waits_.size(); ++i) {
      const std::string thread = i == simdgroup_ ? "" : shape_.thread_text(i, 0);
      if (waits_[i].ended)
        report_barrier(own.site, thread + ", has returned");
      else if (waits_[i].site != own.site)
        report_barrier(own.site, thread + ", waits at " + sites_[waits_[i].site].location);
    }
  }
  if (flags & kOrdersDevice) ++device_epochs_[simdgroup_];
  if (flags & kOrdersThreadgroup) ++threadgroup_epochs_[simdgroup_];
}

// Objects and their bounds

Validator::Object Validator::buffer(const Argument& argument) const {
  Object object{Space::Device, {}, &argument};
  if (!launch_.buffer_bytes) return object;
  if (launch_.buffer_offsets) object.offset = launch_.buffer_offsets[argument.index];
  const auto* address = static_cast<const std::byte*>(launch_.buffers[argument.index]);
  object.range = MemoryRange{address - object.offset, launch_.buffer_bytes[argument.index] + object.offset};
  return object;
}

Validator::Object Validator::threadgroup_memory(const Argument& argument) const {
  const size_t bytes = launch_.threadgroup_memory ? launch_.threadgroup_memory[argument.index] : 0;
  return {Space::Threadgroup, MemoryRange{memory_.threadgroup.start + memory_.threadgroup_offsets[argument.index], bytes}, &argument};
}

std::optional<Validator::Object> Validator::object_of(const void* address, const void* variable, const CheckSite& site) const {
  const auto argument = [&](ArgumentKind kind) -> const Argument& {
    return *std::find_if(info_.arguments.begin(), info_.arguments.end(),
                         [&](const Argument& a) { return a.kind == kind && a.index == site.index; });
  };
  const MemoryRange range{static_cast<const std::byte*>(variable), site.object_bytes};
  switch (site.object) {
    case CheckSite::Object::Buffer: return buffer(argument(ArgumentKind::Buffer));
    case CheckSite::Object::ThreadgroupArgument: return threadgroup_memory(argument(ArgumentKind::ThreadgroupMemory));
    case CheckSite::Object::ThreadgroupVariable: return Object{Space::Threadgroup, range, nullptr, &site};
    case CheckSite::Object::Constant: return Object{Space::Other, range, nullptr, &site};
    case CheckSite::Object::Unknown: break;
  }
  return find_object(address, site.bytes);
}

/// For an address that may come from several places, or from memory.
std::optional<Validator::Object> Validator::find_object(const void* address, size_t bytes) const {
  if (memory_.threadgroup.contains(address, bytes)) return Object{Space::Threadgroup, memory_.threadgroup};
  if (memory_.stacks.contains(address, bytes)) return Object{Space::Other, {}};
  if (memory_.constants.contains(address, bytes)) return Object{Space::Other, {}};
  for (const Argument& argument : info_.arguments) {
    if (argument.kind != ArgumentKind::Buffer) continue;
    Object object = buffer(argument);
    if (object.range && object.range->contains(address, bytes)) return object;
  }
  const bool unknown = !launch_.buffer_bytes && !launch_.is_accessible;
  if (address && (unknown || (launch_.is_accessible && launch_.is_accessible(address, bytes)))) return Object{Space::Device, {}};
  return std::nullopt;
}

std::string Validator::place_text(const void* address, const std::optional<Object>& object, const CheckSite& site) const {
  if (!address) return "a null pointer";
  const auto hexadecimal = [](const void* pointer) {
    char text[32];
    std::snprintf(text, sizeof text, "%p", pointer);
    return std::string(text);
  };
  if (!object) return "address " + hexadecimal(address) + ", which is in no buffer";
  if (!object->range || !object->range->start) return "address " + hexadecimal(address);
  const ptrdiff_t offset = static_cast<const std::byte*>(address) - object->range->start - object->offset;
  std::string text = "byte " + std::to_string(offset);
  const size_t element = object->argument ? object->argument->size : 0;
  if (element && offset >= 0) text += " (element " + std::to_string(offset / element) + ")";
  const bool threadgroup = object->space == Space::Threadgroup;
  if (object->argument)
    text += (threadgroup ? " of threadgroup memory " : " of buffer ") + std::to_string(object->argument->index) + " '" +
            object->argument->name + "'";
  else if (object->variable)
    text += (threadgroup ? " of threadgroup variable '" : " of constant '") + object->variable->name + "'";
  else
    text += " of threadgroup memory";
  text += ", which has " + std::to_string(object->range->bytes - object->offset) + " bytes";
  return object->offset ? text + " and " + std::to_string(object->offset) + " before them" : text;
}

// Accesses

// Nobody writes to what reads are given.
void* Validator::spare_memory(const CheckSite& site) {
  std::vector<std::byte>& spare = site.kind == CheckSite::Kind::Read ? zeros_ : spare_;
  if (site.kind == CheckSite::Kind::ReadWrite) std::fill(spare.begin(), spare.end(), std::byte{0});
  const auto start = reinterpret_cast<uintptr_t>(spare.data());
  return spare.data() + (kMinSpareBytes - start % kMinSpareBytes) % kMinSpareBytes;
}

void* Validator::check(void* address, void* variable, const uint64_t* values, unsigned lane, const CheckSite& site) {
  const std::optional<Object> object = object_of(address, variable, site);
  if (!may_access(address, object, lane, site)) return spare_memory(site);
  if (object->space == Space::Other) return address;
  if (!is_initialised(address, *object, lane, site)) return spare_memory(site);
  find_races(address, *object, values, lane, site);
  return address;
}

bool Validator::may_access(const void* address, const std::optional<Object>& object, unsigned lane, const CheckSite& site) {
  const bool inside = address && object && (!object->range || object->range->contains(address, site.bytes));
  if (!inside) {
    if (faults_.is_new(FaultKind::OutOfBounds, site.location))
      faults_.describe(site.location + ": out-of-bounds " + access_text(site) + " at " + place_text(address, object, site) +
                       "; " + thread_text(lane));
    return false;
  }
  if (reinterpret_cast<uintptr_t>(address) % site.alignment != 0) {
    if (faults_.is_new(FaultKind::Misaligned, site.location))
      faults_.describe(site.location + ": misaligned " + access_text(site) + " at " + place_text(address, object, site) +
                       ": the address must be a multiple of " + std::to_string(site.alignment) + "; " + thread_text(lane));
    return false;
  }
  return true;
}

/// False for reads of threadgroup memory that nobody of the threadgroup has written. Atomic operations go on.
bool Validator::is_initialised(const void* address, const Object& object, unsigned lane, const CheckSite& site) {
  if (object.space != Space::Threadgroup || site.kind == CheckSite::Kind::Write) return true;
  size_t pieces = 0, written = 0;
  threadgroup_shadow_.for_each(reinterpret_cast<uintptr_t>(address), site.bytes, [&](const ShadowCell& cell) {
    ++pieces;
    written += cell.write.is_valid;
  });
  if (written == pieces || (site.is_copy && written > 0)) return true;
  if (faults_.is_new(FaultKind::Uninitialised, site.location))
    faults_.describe(site.location + ": " + access_text(site) + " of uninitialised threadgroup memory at " +
                     place_text(address, object, site) + "; " + thread_text(lane));
  return site.kind == CheckSite::Kind::ReadWrite;
}

void Validator::find_races(const void* address, const Object& object, const uint64_t* values, unsigned lane,
                           const CheckSite& site) {
  const bool threadgroup = object.space == Space::Threadgroup;
  Access access;
  access.group = static_cast<uint32_t>(group_);
  access.epoch = (threadgroup ? threadgroup_epochs_ : device_epochs_)[simdgroup_];
  access.site = static_cast<uint32_t>(&site - sites_.data());
  access.simdgroup = simdgroup_;
  access.lane = lane;
  access.is_valid = true;
  access.is_atomic = site.is_atomic;
  const auto fenced = fences_.find(fence_key(group_, simdgroup_));
  if (fenced != fences_.end()) access.fences = fenced->second;
  // Who writes what is there already, as many do to raise a flag, changes nothing that another has written.
  const bool changes = !site.has_value() || std::memcmp(address, &values[lane], site.bytes) != 0;
  bool reported = false;
  const auto compare = [&](const Access& before) {
    if (reported || !before.races_with(access) || may_be_fenced(before)) return;
    report_race(before, address, object, lane, site);
    reported = true;
  };
  ShadowMemory& shadow = threadgroup ? threadgroup_shadow_ : device_shadow_;
  shadow.for_each(reinterpret_cast<uintptr_t>(address), site.bytes, [&](ShadowCell& cell) {
    if (changes) compare(cell.write);
    if (!site.writes()) return cell.read.add(access);
    compare(cell.read);
    cell.write.add(access);
    cell.read = {};
  });
}

void Validator::fence() {
  uint16_t& count = fences_[fence_key(group_, simdgroup_)];
  if (count < UINT16_MAX) ++count;
}

bool Validator::may_be_fenced(const Access& before) const {
  if (fences_.empty() || !fences_.contains(fence_key(group_, simdgroup_))) return false;
  if (before.by_groups || before.by_simdgroups) return true;  // nothing is known of all but the last of them
  const auto found = fences_.find(fence_key(before.group, before.simdgroup));
  return found != fences_.end() && (found->second > before.fences || found->second == UINT16_MAX);
}

void Validator::report_race(const Access& before, const void* address, const Object& object, unsigned lane,
                            const CheckSite& site) {
  if (!faults_.is_new(FaultKind::Race, site.location)) return;
  const CheckSite& other = sites_[before.site];
  const bool same_group = before.group == static_cast<uint32_t>(group_);
  const GroupShape shape = same_group ? shape_ : GroupShape(launch_, before.group);
  faults_.describe(site.location + ": data race at " + place_text(address, object, site) + ": " + access_text(site) + " by " +
                   thread_text(lane) + ", and " + access_text(other) + " at " + other.location + " by " +
                   shape.thread_text(before.simdgroup, before.lane) +
                   (same_group ? ", with no barrier of this memory between them" : ""));
}

void Validator::check_conflicts(void* const* addresses, const uint64_t* values, uint32_t mask, const CheckSite& site) {
  if (!site.has_value() || site.is_atomic) return;
  for_each_lane(mask, [&](unsigned lane) {
    for_each_lane(mask & ((uint32_t{1} << lane) - 1), [&](unsigned other) {
      if (addresses[lane] != addresses[other] || values[lane] == values[other]) return;
      if (!faults_.is_new(FaultKind::Race, site.location)) return;
      faults_.describe(site.location + ": data race: writes of different values to one address by " + thread_text(other) +
                       ", and by " + thread_text(lane));
    });
  });
}

Validator*& current_validator() {
  static thread_local Validator* validator = nullptr;
  return validator;
}

void check_lanes(void** addresses, void* object, const uint64_t* values, uint32_t mask, uint32_t site_index) {
  Validator& validator = *current_validator();
  const CheckSite& site = validator.site(site_index);
  without_exceptions([&] { validator.check_conflicts(addresses, values, mask, site); });
  for_each_lane(mask, [&](unsigned lane) {
    void* allowed = validator.spare_memory(site);
    without_exceptions([&] { allowed = validator.check(addresses[lane], object, values, lane, site); });
    addresses[lane] = allowed;
  });
}

}  // namespace mslc
