// What a command buffer has recorded, and how far it has come.
#pragma once

#include <Metal/Metal.hpp>

#include <atomic>
#include <string>
#include <vector>

#include "execution/arena.h"
#include "execution/pipeline.h"

namespace metal_software {

class Timeline;

struct Command {
  enum class Kind : uint8_t { Dispatch, Copy, Fill, Host, Signal, Wait };
  explicit Command(Kind k) : kind(k) {}
  const Kind kind;
  Command* next = nullptr;
};

struct Dispatch : Command {
  Dispatch() : Command(Kind::Dispatch) {}
  const Pipeline* pipeline;
  mslc::Launch launch;
  const uint32_t* indirect_groups = nullptr;  ///< if given, threadgroups of the grid, read when the command runs
};

struct Copy : Command {
  Copy() : Command(Kind::Copy) {}
  void* destination;
  const void* source;
  size_t bytes;
};

struct Fill : Command {
  Fill() : Command(Kind::Fill) {}
  void* destination;
  size_t bytes;
  uint8_t value;
};

/// What the device does other than by kernels. Lives until its command buffer has completed.
class HostWork : public NS::Object {
 public:
  virtual void execute() const = 0;  ///< may throw
};

struct HostCall : Command {
  explicit HostCall(const HostWork* w) : Command(Kind::Host), work(w) {}
  const HostWork* const work;
};

/// Signal or Wait.
struct EventCommand : Command {
  EventCommand(Kind kind, Timeline* t, uint64_t v) : Command(kind), timeline(t), value(v) {}
  Timeline* const timeline;
  const uint64_t value;
};

/// Objects kept alive until a command buffer has completed.
class References {
 public:
  explicit References(bool retain);
  ~References() { clear(); }
  References(const References&) = delete;
  References& operator=(const References&) = delete;

  bool retains() const { return retains_; }
  /// Retains the object unless this command buffer was the last to do so.
  void add(const MTL::Resource* resource) { add(resource, resource->retained_by_); }
  void add(const MTL::ComputePipelineState* pipeline) { add(pipeline, pipeline->retained_by_); }
  void add(const MTL::Event* event) { keep(event); }
  /// Retains the object whatever the caller wanted retained: nobody else has a reference.
  void adopt(const NS::Object* object);
  void clear();

 private:
  void add(const NS::Object* object, std::atomic<uint64_t>& retained_by);
  void keep(const NS::Object* object);

  const bool retains_;
  const uint64_t id_;
  std::vector<const NS::Object*> objects_;
};

struct Submission {
  Submission(MTL::CommandBuffer* buffer, bool retain) : command_buffer(buffer), references(retain) {}

  /// A new last command, made in the arena.
  template <class T, class... Arguments>
  T* append(Arguments... arguments) {
    T* const command = new (arena.allocate(sizeof(T))) T(arguments...);
    *last = command;
    last = &command->next;
    return command;
  }

  /// Reverses the commands from `begin`, a place in the list, to the last one.
  void reverse(Command** begin);

  /// Keeps work until the command buffer has completed.
  const HostWork* adopt(const HostWork* work) {
    references.adopt(work);
    return work;
  }

  /// Notes what went wrong; the first failure is the one that is reported.
  void fail(MTL::CommandBufferError code, std::string text);
  bool failed() const { return failure_code != MTL::CommandBufferErrorNone; }

  bool committed() const { return status.load(std::memory_order_acquire) >= MTL::CommandBufferStatusCommitted; }

  /// Runs the commands, then the completed handlers, then drops the references and lets waiting threads go on.
  void execute();

  MTL::CommandBuffer* const command_buffer;
  Arena arena;
  Command* first = nullptr;
  Command** last = &first;
  References references;
  bool encoding = false;  ///< an encoder is open
  int threads = 0;        ///< that the one who committed it may use
  std::vector<MTL::HandlerFunction> scheduled_handlers, completed_handlers;

  std::atomic<uint32_t> status{MTL::CommandBufferStatusNotEnqueued};
  std::atomic<uint32_t> finished{0};  ///< 1 when handlers have run and references are gone
  MTL::CommandBufferError failure_code = MTL::CommandBufferErrorNone;
  std::string failure;
  NS::SharedPtr<NS::Error> error;  ///< set before the status becomes Error
  double start_seconds = 0, end_seconds = 0;

 private:
  void run_commands();
  void run(const Command& command);
};

}  // namespace metal_software
