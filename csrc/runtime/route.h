// Which way an operator call took. Counted here and nowhere else, so that "native" always means native.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace torch_metal {

/// In order of preference: a call that took several counts as the last one it touched in this order.
enum class Route : uint8_t { none, msl, mps_graph, host, fallback };

/// Marks the operator call that is running on this thread as having taken `route`. Outside of an
/// OperatorScope it counts at once.
void take_route(Route route);

/// One operator call. Counts the worst route taken inside it, when it ends; views and metadata
/// operators take none and are not counted. Scopes nest: an inner operator counts for itself.
class OperatorScope {
 public:
  explicit OperatorScope(const char* name);
  ~OperatorScope();
  OperatorScope(const OperatorScope&) = delete;
  OperatorScope& operator=(const OperatorScope&) = delete;
  static const char* current_name();  ///< of the innermost scope on this thread, or nullptr

 private:
  friend void take_route(Route);
  OperatorScope* outer_;
  const char* name_;
  Route route_ = Route::none;
  Route nested_ = Route::none;  // worst of the scopes inside
};

struct RouteCounts {
  uint64_t msl = 0, mps_graph = 0, host = 0, fallback = 0;
};
RouteCounts route_counts();
void reset_route_counts();

/// Whether calls are also counted by operator, which costs a lock a call. Off at first.
void record_operators(bool on);
/// Calls of each operator since the last reset, by the worst route in it or in the operators it calls.
std::map<std::string, RouteCounts> operator_routes();

/// Notes that `overload` ("aten::foo.out") fell back; throws if TORCH_METAL_FALLBACK=error.
void record_fallback(const std::string& overload);
std::map<std::string, uint64_t> fallback_operators();

}  // namespace torch_metal
