#include "execution/thread_pool.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "execution/host_threads.h"
#include "execution/spin.h"

namespace metal_software {
namespace {

// The cores that this process may use.
int usable_cores() {
#ifdef __linux__
  cpu_set_t cores;
  return sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
#else
  return std::max(1u, std::thread::hardware_concurrency());
#endif
}

// All of them, or as many as OMP_NUM_THREADS says, like every other pool in the process.
int wanted_threads() {
  const int available = usable_cores();
  const char* const text = std::getenv("OMP_NUM_THREADS");
  const int asked = text ? std::atoi(text) : 0;
  return asked > 0 ? std::min(asked, available) : available;
}

}  // namespace

ThreadPool& ThreadPool::shared() {
  static ThreadPool* const pool = new ThreadPool;
  return *pool;
}

ThreadPool::ThreadPool() : thread_count_(wanted_threads()) {}

void ThreadPool::start_helpers() {
  watch_for_forks();
  for (int i = 1; i < thread_count_; ++i) std::thread([this] { help(); }).detach();
  started_ = true;
}

// Claims and runs one piece of the loop, without the lock. False if there is none left.
bool ThreadPool::run_piece(Loop& loop, std::unique_lock<std::mutex>& lock) {
  if (loop.next >= loop.count) return false;
  const int64_t begin = loop.next;
  const int64_t end = loop.next = std::min(begin + loop.grain, loop.count);
  lock.unlock();
  loop.body(begin, end);
  lock.lock();
  return true;
}

void ThreadPool::parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  std::unique_lock<std::mutex> busy(busy_, std::try_to_lock);
  // Two loops at once already use two threads: the second does its work alone.
  if (!busy || thread_count_ == 1 || count <= grain) return body(0, count);
  if (!started_) start_helpers();

  const int64_t piece = std::max(grain, (count + thread_count_ - 1) / thread_count_);
  Loop loop{body, count, piece};
  std::unique_lock<std::mutex> lock(mutex_);
  loop_ = &loop;
  epoch_.fetch_add(1, std::memory_order_release);
  for (int64_t woken = 1; woken * piece < count; ++woken) epoch_.notify_one();
  while (run_piece(loop, lock)) {
  }
  loop_ = nullptr;
  helpers_done_.wait(lock, [&] { return loop.helpers == 0; });
}

void ThreadPool::help() {
  uint32_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    seen = epoch_.load(std::memory_order_acquire);
    if (Loop* const loop = loop_) {
      ++loop->helpers;
      while (run_piece(*loop, lock)) {
      }
      if (--loop->helpers == 0) helpers_done_.notify_one();
    }
    lock.unlock();
    if (!spin_until([&] { return epoch_.load(std::memory_order_relaxed) != seen; })) epoch_.wait(seen);
    lock.lock();
  }
}

}  // namespace metal_software
