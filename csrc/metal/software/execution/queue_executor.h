// Executes the command buffers of one queue in order: on a thread of its own, or on a thread that waits for them.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "execution/submission.h"

namespace metal_software {

class QueueExecutor : public std::enable_shared_from_this<QueueExecutor> {
 public:
  /// Reserves the next place in the order.
  void enqueue(Submission& submission);
  /// Hands over a submission; it keeps its command buffer alive until it has finished.
  void commit(Submission& submission);
  /// Returns when the submission, which is committed, has finished. Does the queue's work while nobody else does.
  void wait(Submission& submission);
  /// If `limit` submissions are committed and unfinished, waits until about half of them have finished: one at a
  /// time would make two threads wake each other for every command buffer.
  void wait_for_room(size_t limit);
  /// No submission will follow: the thread ends.
  void close();

 private:
  void start_worker();
  void work();
  Submission* take();
  void run(Submission& submission);
  void wake_worker();
  bool runnable() const { return !executing_ && !order_.empty() && order_.front()->committed(); }
  Submission* middle_in_flight() const;

  std::mutex mutex_;
  std::deque<Submission*> order_;    // enqueued, not yet taken
  Submission* executing_ = nullptr;  // the one that a thread is running
  size_t in_flight_ = 0;             // committed, not yet finished
  bool started_ = false;             // the worker exists
  std::atomic<bool> closed_{false};
  std::atomic<uint32_t> wake_ups_{0};  // the worker sleeps on it
};

}  // namespace metal_software
