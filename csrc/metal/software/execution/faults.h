// Where the device fails on purpose (metal/faults.h). While no fault is wanted, a place costs one branch.
#pragma once

#include <Metal/Metal.hpp>

#include <atomic>
#include <cstdint>

namespace metal_software {

struct Submission;

/// What can fail. The names are those of TORCH_METAL_FAULTS.
enum class Place : uint8_t {
  open_device,
  new_command_queue,
  new_command_buffer,
  new_encoder,
  new_buffer,
  new_residency_set,
  new_event,
  new_library,
  new_function,
  new_pipeline,
  new_graph,
  command_buffer,
};

namespace detail {
extern std::atomic<bool> faults_are_wanted;
bool take_fault(Place place, uint64_t bytes);
void fail_if_wanted(Submission& submission);
}  // namespace detail

/// True if the call that asks is to fail: it returns null. `bytes`: of a new buffer.
inline bool fails(Place place, uint64_t bytes = 0) {
  return detail::faults_are_wanted.load(std::memory_order_relaxed) && detail::take_fault(place, bytes);
}

/// Gives a command buffer that is about to be committed the error that it is to end with, if any.
inline void inject_fault(Submission& submission) {
  if (detail::faults_are_wanted.load(std::memory_order_relaxed)) detail::fail_if_wanted(submission);
}

/// Reads TORCH_METAL_FAULTS once. Throws std::invalid_argument.
void read_faults();

}  // namespace metal_software
