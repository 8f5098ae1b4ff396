// Runs kernels that mslc compiled for this machine on another one. Reads requests and writes replies, one after the
// other, until its input ends; emulator.py is the other side. Each is a length of 8 bytes, then what a ByteWriter writes:
//   request: machine code; grid; threadgroup; CPU threads; bytes of threadgroup memory, a list; buffers, a list
//   reply: what went wrong, or nothing; buffers
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "cache/bytes.h"
#include "mslc/mslc.h"

namespace {

constexpr size_t kAlignment = 64;  // of buffers

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

/// A buffer of the kernel. Aligned, which the bytes of a request are not.
struct Buffer {
  explicit Buffer(std::string_view contents)
      : bytes(contents.size()),
        memory(static_cast<std::byte*>(std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment))) {
    if (!memory) throw std::bad_alloc();
    contents.copy(reinterpret_cast<char*>(memory.get()), bytes);
  }

  size_t bytes;
  std::unique_ptr<std::byte, Free> memory;
};

struct Request {
  std::string code;
  mslc::Launch launch;
  uint32_t threads;
  std::vector<Buffer> buffers;
  std::vector<const void*> addresses;
  std::vector<size_t> sizes, threadgroup_bytes;

  explicit Request(std::string_view bytes) {
    mslc::ByteReader in(bytes);
    code = in.read_text();
    for (uint32_t& size : launch.threads_per_grid) size = in.read<uint32_t>();
    for (uint32_t& size : launch.threads_per_threadgroup) size = in.read<uint32_t>();
    threads = in.read<uint32_t>();
    threadgroup_bytes = in.read_list<size_t>([](mslc::ByteReader& reader) { return reader.read<uint64_t>(); });
    threadgroup_bytes.resize(mslc::kMaxBuffers);
    buffers = in.read_list<Buffer>([](mslc::ByteReader& reader) { return Buffer(reader.read_text()); });
    for (const Buffer& buffer : buffers) {
      addresses.push_back(buffer.memory.get());
      sizes.push_back(buffer.bytes);
    }
    addresses.resize(mslc::kMaxBuffers);
    sizes.resize(mslc::kMaxBuffers);
    launch.buffers = addresses.data();
    launch.buffer_bytes = sizes.data();
    launch.threadgroup_memory = threadgroup_bytes.data();
  }
};

/// Threadgroups in equal shares, on as many threads as asked for. Throws what one of them threw.
void execute(const Request& request) {
  const auto kernel = mslc::load_machine_code(request.code);
  const uint64_t groups = mslc::threadgroup_count(request.launch);
  std::vector<std::exception_ptr> errors(request.threads);
  auto run = [&](uint64_t share) {
    try {
      kernel->execute(request.launch, groups * share / request.threads, groups * (share + 1) / request.threads);
    } catch (...) {
      errors[share] = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (uint32_t share = 1; share < request.threads; ++share) others.emplace_back(run, share);
  run(0);
  for (std::thread& other : others) other.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

std::string reply_to(std::string_view bytes) {
  const Request request(bytes);
  std::string error;
  try {
    execute(request);
  } catch (const std::exception& e) {
    error = e.what();
  }
  mslc::ByteWriter out;
  out.add(error);
  out.add_list(request.buffers, [](mslc::ByteWriter& writer, const Buffer& buffer) {
    writer.add(std::string_view(reinterpret_cast<const char*>(buffer.memory.get()), buffer.bytes));
  });
  return out.take();
}

bool read_exactly(void* to, size_t bytes) { return std::fread(to, 1, bytes, stdin) == bytes; }

}  // namespace

int main() {
  for (uint64_t size; read_exactly(&size, sizeof size);) {
    std::string request(size, 0);
    if (!read_exactly(request.data(), size)) return 1;
    const std::string reply = reply_to(request);
    const uint64_t reply_size = reply.size();
    std::fwrite(&reply_size, sizeof reply_size, 1, stdout);
    std::fwrite(reply.data(), 1, reply_size, stdout);
    if (std::fflush(stdout) != 0) return 1;
  }
}
