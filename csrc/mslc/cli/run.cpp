#include "cli/run.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <iostream>
#include <optional>
#include <thread>

#include "cli/bindings.h"
#include "cli/element_type.h"
#include "cli/help.h"
#include "cli/table.h"

namespace mslc::cli {

namespace {

struct Request {
  std::string file, kernel;
  SourceOptions source;
  std::vector<uint32_t> grid, threadgroup;
  std::vector<NameAndValue> arguments, saved;
  uint64_t timed_runs = 0, threads = 1;
};

std::vector<uint32_t> parse_extent(const std::string& text, const std::string& what) {
  std::vector<uint32_t> extent;
  for (const std::string& length : split(text, ',')) {
    const uint64_t count = parse_count(length, what);
    if (count > uint64_t{1} << 31) throw UsageError(what + ": " + length + " is more than 2^31");
    extent.push_back(static_cast<uint32_t>(count));
  }
  if (extent.size() > 3) throw UsageError(what + ": '" + text + "' has more than three dimensions");
  extent.resize(3, 1);
  return extent;
}

Request parse(ArgumentReader& arguments) {
  Request request;
  while (arguments.next()) {
    if (request.source.read(arguments)) continue;
    if (auto kernel = arguments.value("--kernel")) {
      request.kernel = *kernel;
    } else if (auto grid = arguments.value("--grid")) {
      request.grid = parse_extent(*grid, "--grid");
    } else if (auto threadgroup = arguments.value("--threadgroup")) {
      request.threadgroup = parse_extent(*threadgroup, "--threadgroup");
    } else if (auto saved = arguments.value("--save")) {
      request.saved.push_back(split_setting(*saved, "NAME=FILE.npy for --save"));
    } else if (auto runs = arguments.value("--time")) {
      request.timed_runs = parse_count(*runs, "--time");
    } else if (auto threads = arguments.value("--threads")) {
      request.threads = parse_count(*threads, "--threads");
    } else if (arguments.is_option()) {
      throw UsageError("unknown option '" + arguments.argument() + "' of 'mslc run'");
    } else if (arguments.argument().find('=') != std::string::npos) {
      request.arguments.push_back(split_setting(arguments.argument(), "an argument's NAME=VALUE"));
    } else if (request.file.empty()) {
      request.file = arguments.argument();
    } else {
      throw UsageError("'" + arguments.argument() + "' is neither an option nor an argument's NAME=VALUE");
    }
  }
  if (request.file.empty()) throw UsageError("no input file");
  if (request.grid.empty()) throw UsageError("'mslc run' needs --grid X[,Y[,Z]], the number of threads");
  return request;
}

const KernelInfo& choose_kernel(const Library& library, const std::string& name) {
  if (!name.empty()) return find_kernel(library, name);
  if (library.kernels().size() == 1) return library.kernels()[0];
  std::vector<std::string> names;
  for (const KernelInfo& kernel : library.kernels()) names.push_back(kernel.name);
  if (names.empty()) throw UsageError("the source has no kernel");
  throw UsageError("the source has several kernels; choose one with --kernel: " + join_names(names));
}

Launch make_launch(const Request& request, const KernelInfo& kernel) {
  Launch launch;
  const uint32_t limit = kernel.max_threads_per_threadgroup;
  std::vector<uint32_t> threadgroup = request.threadgroup;
  if (threadgroup.empty()) threadgroup = {std::min({request.grid[0], limit, 256u}), 1, 1};
  const uint64_t threads = uint64_t{threadgroup[0]} * threadgroup[1] * threadgroup[2];
  if (threads > limit)
    throw UsageError("--threadgroup: " + std::to_string(threads) + " threads; '" + kernel.name + "' takes at most " +
                     std::to_string(limit));
  std::copy_n(request.grid.begin(), 3, launch.threads_per_grid);
  std::copy_n(threadgroup.begin(), 3, launch.threads_per_threadgroup);
  return launch;
}

// A kernel may do what no compiler can foresee. Says so, instead of dying without a word.
void report_crash(int signal) {
  const char* const text = signal == SIGILL ? "mslc: error: the kernel needs an instruction that this CPU lacks\n"
                                            : "mslc: error: the kernel crashed; it left the memory of its arguments\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
  _exit(3);
}

void watch_for_crashes() {
  struct sigaction action = {};
  action.sa_handler = report_crash;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL}) sigaction(signal, &action, nullptr);
}

void execute(const Kernel& kernel, const Launch& launch, unsigned threads) {
  const uint64_t count = threadgroup_count(launch);
  if (threads == 1 || kernel.validates()) return kernel.execute(launch, 0, count);
  std::atomic<uint64_t> next{0};
  const uint64_t chunk = std::max<uint64_t>(1, count / (8 * threads));
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < threads; ++i)
    workers.emplace_back([&] {
      for (uint64_t first; (first = next.fetch_add(chunk)) < count;)
        kernel.execute(launch, first, std::min(first + chunk, count));
    });
}

std::string summary(const Array& array) {
  constexpr size_t kEnds = 4;
  const ElementType& type = *element_type_from_code(array.code == "<c8" ? "<f4" : array.code);
  const size_t count = array.bytes.size() / type.size;
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    if (i == kEnds && count > 2 * kEnds + 1) {
      text += " ...";
      i = count - kEnds;
    }
    text += (i ? " " : "") + to_text(type, array.bytes.data() + i * type.size);
  }
  return text;
}

std::string type_and_shape(const Array& array) {
  std::string text = element_type_from_code(array.code == "<c8" ? "<f4" : array.code)->numpy;
  for (size_t i = 0; i < array.shape.size(); ++i) text += (i ? "," : "[") + std::to_string(array.shape[i]);
  return array.shape.empty() ? text : text + "]";
}

void report(const Bindings& bindings, const std::vector<NameAndValue>& saved) {
  for (const auto& [name, path] : saved) write_npy(path, bindings.contents(name));
  std::vector<std::vector<std::string>> rows;
  for (const std::string& name : bindings.writable()) {
    if (std::any_of(saved.begin(), saved.end(), [&](const NameAndValue& setting) { return setting.first == name; }))
      continue;
    const Array array = bindings.contents(name);
    rows.push_back({name, type_and_shape(array), summary(array)});
  }
  print_table(std::cout, rows);
}

void measure(const Kernel& kernel, const Launch& launch, const Request& request) {
  std::vector<double> times;
  for (uint64_t i = 0; i < request.timed_runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    execute(kernel, launch, request.threads);
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("  time: median %.1f us, least %.1f us, of %zu\n", times[times.size() / 2], times[0], times.size());
}

}  // namespace

void run(ArgumentReader& arguments) {
  if (arguments.contains("--help") || arguments.contains("-h")) {
    std::cout << kRunHelp;
    return;
  }
  const Request request = parse(arguments);
  const auto library = compile_file(request.file, request.source);
  const KernelInfo& info = choose_kernel(*library, request.kernel);
  Launch launch = make_launch(request, info);
  const Bindings bindings(info, request.arguments);
  bindings.bind(launch);
  for (const auto& [name, path] : request.saved) bindings.contents(name);  // before any work is done
  const auto kernel = library->kernel(info.name, constant_values(*library, request.source.constants));

  watch_for_crashes();
  std::exception_ptr faults;
  try {
    execute(*kernel, launch, request.threads);
  } catch (const ValidationError&) {
    faults = std::current_exception();
  }
  report(bindings, request.saved);
  if (faults) std::rethrow_exception(faults);
  if (request.timed_runs) measure(*kernel, launch, request);
}

}  // namespace mslc::cli
