#include "execution/queue_executor.h"

#include <thread>

#include "execution/host_threads.h"
#include "execution/spin.h"

namespace metal_software {

void QueueExecutor::enqueue(Submission& submission) {
  NS::detail::retain(submission.command_buffer);
  const auto lock = lock_soon(mutex_);
  submission.status.store(MTL::CommandBufferStatusEnqueued, std::memory_order_release);
  order_.push_back(&submission);
}

void QueueExecutor::commit(Submission& submission) {
  submission.threads = host_threads().thread_count();
  if (submission.status.load(std::memory_order_relaxed) == MTL::CommandBufferStatusNotEnqueued) enqueue(submission);
  {
    const auto lock = lock_soon(mutex_);
    ++in_flight_;
    submission.status.store(MTL::CommandBufferStatusCommitted, std::memory_order_release);
    if (!started_) start_worker();
  }
  wake_worker();
}

void QueueExecutor::wait(Submission& submission) {
  const auto finished = [&] { return submission.finished.load(std::memory_order_acquire) != 0; };
  while (!finished()) {
    if (Submission* const next = take())
      run(*next);
    else if (!spin_until(finished))
      submission.finished.wait(0, std::memory_order_acquire);
  }
}

void QueueExecutor::wait_for_room(size_t limit) {
  NS::SharedPtr<MTL::CommandBuffer> middle;
  Submission* submission;
  {
    const auto lock = lock_soon(mutex_);
    if (in_flight_ < limit) return;
    submission = middle_in_flight();
    middle = NS::RetainPtr(submission->command_buffer);
  }
  wait(*submission);
}

// The one that runs, or one that is committed and behind it, with about as many before it as after.
Submission* QueueExecutor::middle_in_flight() const {
  Submission* middle = executing_;
  size_t before = middle ? 1 : 0;
  for (Submission* const submission : order_) {
    if (middle && before >= (in_flight_ + 1) / 2) break;
    if (!submission->committed()) continue;
    middle = submission;
    ++before;
  }
  return middle;
}

void QueueExecutor::close() {
  closed_ = true;
  wake_worker();
}

// The thread owns the executor as well, so that the queue may be released on any thread, this one included.
void QueueExecutor::start_worker() {
  watch_for_forks();
  std::thread([self = shared_from_this()] { self->work(); }).detach();
  started_ = true;
}

void QueueExecutor::work() {
  while (!closed_) {
    const uint32_t seen = wake_ups_.load(std::memory_order_acquire);
    while (Submission* const next = take()) run(*next);
    const auto woken = [&] { return wake_ups_.load(std::memory_order_relaxed) != seen; };
    if (!spin_until(woken)) wake_ups_.wait(seen, std::memory_order_relaxed);
  }
}

// The next submission if nobody is executing; the caller must run() it.
Submission* QueueExecutor::take() {
  const auto lock = lock_soon(mutex_);
  if (!runnable()) return nullptr;
  executing_ = order_.front();
  order_.pop_front();
  return executing_;
}

void QueueExecutor::run(Submission& submission) {
  MTL::CommandBuffer* const command_buffer = submission.command_buffer;
  const int own_threads = host_threads().thread_count();
  host_threads().set_thread_count(submission.threads);
  submission.execute();
  host_threads().set_thread_count(own_threads);
  bool more;
  {
    const auto lock = lock_soon(mutex_);
    executing_ = nullptr;
    --in_flight_;
    more = runnable();
  }
  if (more) wake_worker();
  NS::detail::release(command_buffer);
}

void QueueExecutor::wake_worker() {
  wake_ups_.fetch_add(1, std::memory_order_release);
  wake_ups_.notify_one();
}

}  // namespace metal_software
