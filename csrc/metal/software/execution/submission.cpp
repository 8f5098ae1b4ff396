#include "execution/submission.h"

#include <cstring>
#include <exception>
#include <new>

#include "api/objects.h"
#include "execution/grid.h"
#include "execution/spin.h"
#include "execution/timeline.h"

namespace metal_software {
namespace {

std::atomic<uint64_t> g_next_reference_id{1};

double now_seconds() { return now_ns() * 1e-9; }

void run_dispatch(const Dispatch& dispatch) {
  if (!dispatch.indirect_groups) return run_grid(*dispatch.pipeline, dispatch.launch);
  mslc::Launch launch = dispatch.launch;
  for (int axis = 0; axis < 3; ++axis) {
    const uint64_t threads = uint64_t{dispatch.indirect_groups[axis]} * launch.threads_per_threadgroup[axis];
    if (threads == 0) return;
    if (threads > UINT32_MAX) throw std::runtime_error("the indirect grid has more than 2^32 - 1 threads on an axis");
    launch.threads_per_grid[axis] = static_cast<uint32_t>(threads);
  }
  run_grid(*dispatch.pipeline, launch);
}

}  // namespace

References::References(bool retain)
    : retains_(retain), id_(g_next_reference_id.fetch_add(1, std::memory_order_relaxed)) {
  objects_.reserve(16);
}

void References::add(const NS::Object* object, std::atomic<uint64_t>& retained_by) {
  // Another command buffer may change the mark meanwhile; the worst that follows is a second reference.
  if (!retains_ || retained_by.load(std::memory_order_relaxed) == id_) return;
  retained_by.store(id_, std::memory_order_relaxed);
  keep(object);
}

void References::keep(const NS::Object* object) {
  if (retains_) adopt(object);
}

void References::adopt(const NS::Object* object) {
  NS::detail::retain(object);
  objects_.push_back(object);
}

void References::clear() {
  for (const NS::Object* object : objects_) NS::detail::release(object);
  objects_.clear();
}

void Submission::reverse(Command** begin) {
  if (!*begin || last == begin) return;
  Command* const new_last = *begin;
  Command* reversed = nullptr;
  for (Command* command = *begin; command;) {
    Command* const next = command->next;
    command->next = reversed;
    reversed = command;
    command = next;
  }
  *begin = reversed;
  last = &new_last->next;
}

void Submission::fail(MTL::CommandBufferError code, std::string text) {
  if (failed()) return;
  failure_code = code;
  failure = std::move(text);
}

void Submission::execute() {
  const auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
  status.store(MTL::CommandBufferStatusScheduled, std::memory_order_release);
  status.notify_all();
  for (const auto& handler : scheduled_handlers) handler(command_buffer);

  start_seconds = now_seconds();
  run_commands();
  end_seconds = now_seconds();

  if (failed()) error = NS::RetainPtr(make_error(command_buffer_error_domain(), failure_code, failure));
  status.store(failed() ? MTL::CommandBufferStatusError : MTL::CommandBufferStatusCompleted, std::memory_order_release);
  status.notify_all();
  for (const auto& handler : completed_handlers) handler(command_buffer);

  scheduled_handlers.clear();
  completed_handlers.clear();
  references.clear();
  arena.clear();
  finished.store(1, std::memory_order_release);
  finished.notify_all();
}

void Submission::run_commands() {
  for (const Command* command = first; command; command = command->next) {
    // After a failure only signals are left to do: other queues wait for them.
    if (failed() && command->kind != Command::Kind::Signal) continue;
    try {
      run(*command);
    } catch (const std::bad_alloc&) {
      fail(MTL::CommandBufferErrorOutOfMemory, "out of host memory while the command buffer was executing");
    } catch (const std::exception& exception) {
      fail(MTL::CommandBufferErrorInternal, exception.what());
    } catch (...) {
      fail(MTL::CommandBufferErrorInternal, "unknown exception while the command buffer was executing");
    }
  }
}

void Submission::run(const Command& command) {
  switch (command.kind) {
    case Command::Kind::Dispatch:
      return run_dispatch(static_cast<const Dispatch&>(command));
    case Command::Kind::Copy: {
      const auto& copy = static_cast<const Copy&>(command);
      std::memcpy(copy.destination, copy.source, copy.bytes);
      return;
    }
    case Command::Kind::Fill: {
      const auto& fill = static_cast<const Fill&>(command);
      std::memset(fill.destination, fill.value, fill.bytes);
      return;
    }
    case Command::Kind::Host: return static_cast<const HostCall&>(command).work->execute();
    case Command::Kind::Signal: {
      const auto& signal = static_cast<const EventCommand&>(command);
      return signal.timeline->advance(signal.value);
    }
    case Command::Kind::Wait: {
      const auto& wait = static_cast<const EventCommand&>(command);
      return wait.timeline->wait(wait.value);
    }
  }
}

}  // namespace metal_software
