#include "execution/grid.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "execution/host_threads.h"
#include "execution/spin.h"

namespace metal_software {
namespace {

constexpr double kSerialNs = 20000;  // less work than this is done before another thread has woken up
constexpr double kChunkNs = 5000;    // the least that is worth claiming by itself
constexpr double kUnknownNsPerThread = 2;
constexpr int64_t kTellingNs = 2000;  // shorter runs measure the cost of a call

// A grid and what is known of its cost.
class Grid {
 public:
  Grid(const Pipeline& pipeline, const mslc::Launch& launch)
      : pipeline_(pipeline),
        launch_(launch),
        groups_(mslc::threadgroup_count(launch)),
        threads_per_group_(double(launch.threads_per_threadgroup[0]) * launch.threads_per_threadgroup[1] *
                           launch.threads_per_threadgroup[2]) {
    const float measured = pipeline.ns_per_thread.load(std::memory_order_relaxed);
    ns_per_group_ = threads_per_group_ * (measured > 0 ? measured : kUnknownNsPerThread);
  }

  void run() {
    const int threads = groups_ > 1 ? host_threads().thread_count() : 1;
    uint64_t first = 0;
    if (threads == 1 || ns_per_group_ * groups_ < kSerialNs) {
      first = run_alone(threads);
      if (first == groups_) return;
    }
    run_together(first, threads);
  }

 private:
  // Groups that were expected to be quick. Returns where to go on with more threads if the first of them say
  // that they are not.
  uint64_t run_alone(int threads) {
    const uint64_t sample = threads == 1 ? groups_ : (groups_ + 7) / 8;
    const int64_t start = now_ns();
    pipeline_.kernel->execute(launch_, 0, sample);
    learn(now_ns() - start, sample);
    if (ns_per_group_ * (groups_ - sample) > 2 * kSerialNs) return sample;
    if (sample < groups_) pipeline_.kernel->execute(launch_, sample, groups_);
    return groups_;
  }

  // Each thread claims chunks until none is left, so that a slow core or a long group holds nobody up.
  void run_together(uint64_t first, int threads) {
    const uint64_t remaining = groups_ - first;
    const auto worthwhile = static_cast<uint64_t>(ns_per_group_ * remaining / kSerialNs) + 1;
    const uint64_t workers = std::min({static_cast<uint64_t>(threads), worthwhile, remaining});
    const auto least = static_cast<uint64_t>(kChunkNs / ns_per_group_) + 1;
    const uint64_t chunk = std::clamp(least, remaining / (workers * 8) + 1, (remaining + workers - 1) / workers);
    next_ = first;
    const std::function<void(int64_t, int64_t)> work = [this, chunk](int64_t, int64_t) { claim_chunks(chunk); };
    host_threads().parallel_for(workers, 1, work);
    if (failure_) std::rethrow_exception(failure_);
    learn(busy_ns_, remaining);
  }

  void claim_chunks(uint64_t chunk) {
    const int64_t start = now_ns();
    try {
      for (;;) {
        const uint64_t begin = next_.fetch_add(chunk, std::memory_order_relaxed);
        if (begin >= groups_) break;
        pipeline_.kernel->execute(launch_, begin, std::min(begin + chunk, groups_));
      }
    } catch (...) {
      next_ = groups_;
      const std::lock_guard<std::mutex> lock(failure_mutex_);
      failure_ = std::current_exception();
    }
    busy_ns_ += now_ns() - start;
  }

  void learn(int64_t ns, uint64_t groups) {
    ns_per_group_ = std::max(1.0, double(ns) / groups);
    const bool telling = ns >= kTellingNs;
    // A short run says at most how long a thread takes; the first run, on cold caches, may have taken far longer.
    const auto measured = static_cast<float>(std::max(ns, kTellingNs) / (groups * threads_per_group_));
    const float before = pipeline_.ns_per_thread.load(std::memory_order_relaxed);
    if (telling || before > measured)
      pipeline_.ns_per_thread.store(before > 0 ? 0.75f * before + 0.25f * measured : measured,
                                    std::memory_order_relaxed);
  }

  const Pipeline& pipeline_;
  const mslc::Launch& launch_;
  const uint64_t groups_;
  const double threads_per_group_;
  double ns_per_group_;
  std::atomic<uint64_t> next_{0};
  std::atomic<int64_t> busy_ns_{0};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void run_grid(const Pipeline& pipeline, const mslc::Launch& launch) {
  // Races are found among the threadgroups of one call.
  if (pipeline.kernel->validates()) return pipeline.kernel->execute(launch, 0, mslc::threadgroup_count(launch));
  Grid(pipeline, launch).run();
}

}  // namespace metal_software
