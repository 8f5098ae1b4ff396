#include "executor/guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ucontext.h>
#include <time.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "mslc/mslc.h"

namespace mslc {

namespace {

/// One run_guarded() in progress.
struct Run {
  const LoadedObject* code;
  pthread_t thread;
  int64_t deadline = INT64_MAX;  // ns
  int signal = 0;                // that ended it
  uintptr_t address = 0;  // of the access; all ones if it is none that an address can be
  sigjmp_buf jump;
};

// Of this thread. Initial-exec: a signal handler may read it, whatever the thread.
[[gnu::tls_model("initial-exec")]] thread_local Run* current_run = nullptr;

int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

const std::byte* program_counter(void* context) {
  const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__APPLE__)
  return reinterpret_cast<const std::byte*>(__darwin_arm_thread_state64_get_pc(registers->__ss));
#elif defined(__x86_64__)
  return reinterpret_cast<const std::byte*>(registers.gregs[REG_RIP]);
#else
  return reinterpret_cast<const std::byte*>(registers.pc);
#endif
}

/// Whether a fault tells no address, as x86's at addresses that cannot be.
bool lacks_address(const siginfo_t& info) {
#ifdef SI_KERNEL
  return info.si_code == SI_KERNEL;
#else
  return false;
#endif
}

/// Signals that are the programs' own.
std::vector<int> free_signals() {
#ifdef SIGRTMAX
  std::vector<int> signals;
  for (int signal = SIGRTMAX - 1; signal > SIGRTMIN; --signal) signals.push_back(signal);
  return signals;
#else
  return {SIGUSR2, SIGUSR1};
#endif
}

/// Does not return if the thread was in guarded code. Nothing of ours is held or half done there.
void leave_guarded_code(int signal, siginfo_t* info, void* context) {
  Run* const run = current_run;
  if (!run) return;
  const std::byte *const start = run->code->memory(), *const at = program_counter(context);
  if (at < start || at >= start + run->code->bytes()) return;
  run->signal = signal;
  run->address = lacks_address(*info) ? UINTPTR_MAX : reinterpret_cast<uintptr_t>(info->si_addr);
  siglongjmp(run->jump, 1);
}

/// A signal handler in front of the one that was there.
template <int kSignal>
class FaultHandler {
 public:
  static void install() {
    struct sigaction action = {};
    action.sa_sigaction = handle;
    // Not deferred: the handler may never return. On a stack of its own where the thread has one.
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigaction(kSignal, &action, &previous_);
  }

 private:
  static void handle(int signal, siginfo_t* info, void* context) {
    leave_guarded_code(signal, info, context);
    if (previous_.sa_flags & SA_SIGINFO) return previous_.sa_sigaction(signal, info, context);
    if (previous_.sa_handler != SIG_DFL && previous_.sa_handler != SIG_IGN) return previous_.sa_handler(signal);
    // Once this returns, the instruction faults again and ends the process as it would have.
    sigaction(signal, &previous_, nullptr);
  }

  static inline struct sigaction previous_;
};

/// Sends a signal to threads that have been in guarded code for too long, until they have left it.
class Watchdog {
 public:
  explicit Watchdog(int64_t limit_ns) : limit_ns_(limit_ns), signal_(unused_signal()) {
    struct sigaction action = {};
    action.sa_sigaction = [](int signal, siginfo_t* info, void* context) {
      // It may come late, when the thread does other work.
      if (current_run && now_ns() > current_run->deadline) leave_guarded_code(signal, info, context);
    };
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTART;
    sigaction(signal_, &action, nullptr);
    std::thread([this] { watch(); }).detach();
  }

  void add(Run& run) {
    run.deadline = now_ns() + limit_ns_;
    const std::lock_guard<std::mutex> lock(mutex_);
    runs_.insert(&run);
  }
  void remove(Run& run) {
    const std::lock_guard<std::mutex> lock(mutex_);
    runs_.erase(&run);
  }
  double limit_seconds() const { return limit_ns_ * 1e-9; }

 private:
  static int unused_signal() {
    for (const int signal : free_signals()) {
      struct sigaction action;
      if (sigaction(signal, nullptr, &action) == 0 && !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL)
        return signal;
    }
    throw std::runtime_error("TORCH_METAL_TIME_LIMIT: all signals that programs may use are in use");
  }

  void watch() {
    for (;;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const std::lock_guard<std::mutex> lock(mutex_);  // so no run ends, nor its thread, meanwhile
      const int64_t now = now_ns();
      for (const Run* run : runs_)
        if (now > run->deadline) pthread_kill(run->thread, signal_);
    }
  }

  const int64_t limit_ns_;
  const int signal_;
  std::mutex mutex_;
  std::set<Run*> runs_;
};

/// Null without TORCH_METAL_TIME_LIMIT.
Watchdog* watchdog() {
  static Watchdog* const watchdog = []() -> Watchdog* {
    const char* const text = std::getenv("TORCH_METAL_TIME_LIMIT");
    if (!text || !*text) return nullptr;
    char* end;
    const double seconds = std::strtod(text, &end);
    if (*end || !(seconds >= 0 && seconds <= 1e9))
      throw std::runtime_error("TORCH_METAL_TIME_LIMIT: '" + std::string(text) + "' is not a number of seconds");
    return seconds > 0 ? new Watchdog(static_cast<int64_t>(seconds * 1e9)) : nullptr;
  }();
  return watchdog;
}

std::string what_ended(const Run& run) {
  char text[160];
  if (run.signal == SIGSEGV || run.signal == SIGBUS)
    std::snprintf(text, sizeof text, "accessed memory at 0x%" PRIxPTR ", which the process does not have; validation mode "
                  "finds where", run.address);
  else
    std::snprintf(text, sizeof text, "ran for longer than TORCH_METAL_TIME_LIMIT, which is %g s", watchdog()->limit_seconds());
  return text;
}

}  // namespace

void run_guarded(const LoadedObject& code, const std::string& kernel, GuardedWork work, void* context) {
  static const bool installed = (FaultHandler<SIGSEGV>::install(), FaultHandler<SIGBUS>::install(), true);
  static_cast<void>(installed);
  Watchdog* const timed = watchdog();
  Run run;
  run.code = &code;
  run.thread = pthread_self();
  Run* const outer = current_run;
  if (timed) timed->add(run);
  if (sigsetjmp(run.jump, 0) == 0) {
    current_run = &run;
    work(context);
  }
  current_run = outer;
  if (timed) timed->remove(run);
  if (run.signal) throw ExecutionError("kernel '" + kernel + "' was stopped: it " + what_ended(run));
}

}  // namespace mslc
