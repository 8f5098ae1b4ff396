#include "metal/host_threads.h"

#include <pthread.h>

#include <atomic>

#include "execution/host_threads.h"
#include "execution/thread_pool.h"

namespace metal_software {
namespace {

int pool_thread_count() { return ThreadPool::shared().thread_count(); }

void pool_parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  ThreadPool::shared().parallel_for(count, grain, body);
}

torch_metal::HostThreads g_threads{pool_thread_count, pool_parallel_for, [](int) {}};
std::atomic<bool> g_forked{false};

}  // namespace

const torch_metal::HostThreads& host_threads() { return g_threads; }

void watch_for_forks() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { g_forked.store(true); });
  (void)registered;
}

}  // namespace metal_software

namespace torch_metal {

void set_host_threads(const HostThreads& threads) { metal_software::g_threads = threads; }

bool forked_after_use() { return metal_software::g_forked.load(std::memory_order_relaxed); }

}  // namespace torch_metal
