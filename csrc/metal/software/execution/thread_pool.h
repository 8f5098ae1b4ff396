// The pool that is used if none is lent: one thread a core or OMP_NUM_THREADS, asleep when there is nothing to do.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace metal_software {

class ThreadPool {
 public:
  /// The pool of the process. Never destroyed: threads may outlive static objects.
  static ThreadPool& shared();

  /// Threads that work on a loop, the caller among them.
  int thread_count() const { return thread_count_; }
  void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

 private:
  // One loop. The caller leaves when no piece is unclaimed and no helper is inside; late helpers find it closed.
  struct Loop {
    const std::function<void(int64_t, int64_t)>& body;
    int64_t count, grain;
    int64_t next = 0;
    int helpers = 0;
  };

  ThreadPool();
  void start_helpers();
  void help();
  bool run_piece(Loop& loop, std::unique_lock<std::mutex>& lock);

  const int thread_count_;
  std::mutex busy_;  // held by the caller of the loop that runs
  std::mutex mutex_;
  std::condition_variable helpers_done_;
  Loop* loop_ = nullptr;
  std::atomic<uint32_t> epoch_{0};  // counts loops; helpers sleep on it
  bool started_ = false;
};

}  // namespace metal_software
