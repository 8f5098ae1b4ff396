#include "cli/bindings.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <regex>
#include <set>

#include "cli/element_type.h"

namespace mslc::cli {

namespace {

bool is_reference(const Argument& argument) { return argument.type.ends_with('&'); }

std::string describe(const Argument& argument) { return "argument '" + argument.name + "' (" + argument.type + ")"; }

std::string element_name(const std::string& code) {
  const ElementType* const type = element_type_from_code(code);
  return type ? type->numpy : "'" + code + "'";
}

/// Vectors of three take the room of four, unless they are packed.
bool is_padded(const Argument& argument, const ElementType& type) {
  static const std::regex vector_of_three("\\b[a-z]+3\\b");
  return argument.size == 4 * type.size && std::regex_search(argument.type, vector_of_three);
}

Array from_numbers(const Argument& argument, const std::string& text) {
  const std::vector<std::byte> numbers = parse_numbers(argument.type, text, describe(argument));
  const ElementType& type = *element_type_of(argument.type);
  Array array{type.code, {}, {}};
  const size_t group = is_padded(argument, type) ? 3 * type.size : numbers.size();
  for (size_t at = 0; at < numbers.size(); at += group) {
    array.bytes.insert(array.bytes.end(), numbers.begin() + at, numbers.begin() + std::min(at + group, numbers.size()));
    if (group != numbers.size() || is_padded(argument, type)) array.bytes.resize(array.bytes.size() + type.size);
  }
  array.shape.push_back(array.bytes.size() / type.size);
  return array;
}

Array from_file(const Argument& argument, const std::string& path) {
  Array array = read_npy(path);
  const ElementType* const type = element_type_of(argument.type);
  const ElementType* const given = element_type_from_code(array.code);
  const bool is_complex = type && ((array.code == "<c8" && type->code == std::string("<f4")));
  if (type && type != given && !is_complex)
    throw UsageError(describe(argument) + " takes " + type->numpy + ", but '" + path + "' holds " +
                     element_name(array.code));
  return array;
}

// What "zeros:64,64" and its kin fill an array with.
using Fill = double (*)(size_t index, const ElementType& type, std::mt19937_64& random);

Fill find_fill(const std::string& name) {
  if (name == "zeros") return [](size_t, const ElementType&, std::mt19937_64&) { return 0.0; };
  if (name == "ones") return [](size_t, const ElementType&, std::mt19937_64&) { return 1.0; };
  if (name == "arange")
    return [](size_t index, const ElementType&, std::mt19937_64&) { return static_cast<double>(index); };
  if (name == "random")
    return [](size_t, const ElementType& type, std::mt19937_64& random) {
      const double value = std::uniform_real_distribution<double>()(random);
      return type.kind == NumberKind::Float ? value : static_cast<double>(static_cast<int>(value * 100));
    };
  return nullptr;
}

Array filled(const Argument& argument, const std::string& name, const std::string& shape) {
  const ElementType* const type = element_type_of(argument.type);
  if (!type && name != "zeros") throw UsageError(describe(argument) + " is of a structure; give zeros or a file");
  Array array{type ? type->code : "|u1", {}, {}};
  const size_t element_size = type ? type->size : 1;
  size_t count = 1;
  for (const std::string& length : split(shape, ',')) {
    array.shape.push_back(parse_count(length, describe(argument)));
    if (__builtin_mul_overflow(count, array.shape.back(), &count)) throw UsageError(describe(argument) + ": too large");
  }
  const size_t inner = argument.size / element_size;  // of a vector, matrix or structure
  if (inner > 1) array.shape.push_back(inner);
  if (__builtin_mul_overflow(count, std::max<size_t>(inner, 1), &count) || count > SIZE_MAX / 16)
    throw UsageError(describe(argument) + ": too large");
  if (name == "zeros") {
    array.bytes.resize(count * element_size);
    return array;
  }
  std::mt19937_64 random;
  array.bytes.reserve(count * element_size);
  const Fill fill = find_fill(name);
  for (size_t i = 0; i < count; ++i) append_number(array.bytes, *type, fill(i, *type, random));
  return array;
}

Array parse_value(const Argument& argument, const std::string& text) {
  static const std::regex numbers("-?(inf|nan|true|false|[0-9.][-+0-9.a-fA-FxXeE]*)(,.*)?");
  const size_t colon = text.find(':');
  if (colon != std::string::npos && find_fill(text.substr(0, colon)))
    return filled(argument, text.substr(0, colon), text.substr(colon + 1));
  return std::regex_match(text, numbers) && !text.ends_with(".npy") ? from_numbers(argument, text)
                                                                   : from_file(argument, text);
}

void check_size(const Argument& argument, size_t size) {
  if (argument.size == 0) return;
  if (is_reference(argument) ? size != argument.size : size % argument.size != 0)
    throw UsageError(describe(argument) + " takes " + (is_reference(argument) ? "" : "a multiple of ") +
                     std::to_string(argument.size) + " bytes, not " + std::to_string(size));
}

bool is_called(const Argument& argument, const std::string& name) {
  return argument.name == name || (argument.kind == ArgumentKind::Buffer && std::to_string(argument.index) == name);
}

std::vector<const Argument*> settable(const KernelInfo& kernel) {
  std::vector<const Argument*> arguments;
  for (const Argument& argument : kernel.arguments)
    if (argument.kind != ArgumentKind::BuiltIn) arguments.push_back(&argument);
  return arguments;
}

}  // namespace

Bindings::Bindings(const KernelInfo& kernel, const std::vector<NameAndValue>& settings) : kernel_(kernel) {
  const std::vector<const Argument*> arguments = settable(kernel);
  std::set<const Argument*> given;
  for (const auto& [name, value] : settings) {
    const auto found = std::find_if(arguments.begin(), arguments.end(),
                                    [&, &name = name](const Argument* a) { return is_called(*a, name); });
    if (found == arguments.end()) {
      std::vector<std::string> names;
      for (const Argument* argument : arguments) names.push_back(argument->name);
      throw UsageError("kernel '" + kernel.name + "' has no argument '" + name + "'; it takes " +
                       (names.empty() ? "none" : join_names(names)));
    }
    if (!given.insert(*found).second) throw UsageError(describe(**found) + " is given twice");
    set(**found, value);
  }
  for (const Argument* argument : arguments)
    if (!given.count(argument))
      throw UsageError("kernel '" + kernel.name + "' needs a value for " + describe(*argument));
}

void Bindings::set(const Argument& argument, const std::string& value) {
  if (argument.kind == ArgumentKind::ThreadgroupMemory) {
    threadgroup_bytes_[argument.index] = parse_count(value, describe(argument) + ", bytes");
    return;
  }
  Array array = parse_value(argument, value);
  check_size(argument, array.bytes.size());
  const size_t size = array.bytes.size();
  Buffer buffer{&argument, {array.code, array.shape, {}}, GuardedMemory(size), size};
  std::memcpy(buffer.memory.data(), array.bytes.data(), size);
  addresses_[argument.index] = buffer.memory.data();
  buffer_bytes_[argument.index] = size;
  buffers_.push_back(std::move(buffer));
}

void Bindings::bind(Launch& launch) const {
  launch.buffers = addresses_.data();
  launch.buffer_bytes = buffer_bytes_.data();
  launch.threadgroup_memory = threadgroup_bytes_.data();
}

Array Bindings::contents(const std::string& name) const {
  for (const Buffer& buffer : buffers_) {
    if (!is_called(*buffer.argument, name)) continue;
    Array array = buffer.array;
    array.bytes.assign(buffer.memory.data(), buffer.memory.data() + buffer.size);
    return array;
  }
  throw UsageError("kernel '" + kernel_.name + "' has no buffer '" + name + "'");
}

std::vector<std::string> Bindings::writable() const {
  std::vector<std::string> names;
  for (const Buffer& buffer : buffers_)
    if (!buffer.argument->read_only) names.push_back(buffer.argument->name);
  return names;
}

}  // namespace mslc::cli
