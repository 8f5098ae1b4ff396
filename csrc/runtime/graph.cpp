#include "runtime/graph.h"

#include <c10/util/Exception.h>
#include <c10/util/FunctionRef.h>
#include <c10/util/SmallVector.h>

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "runtime/device.h"
#include "runtime/failures.h"
#include "runtime/launch.h"
#include "runtime/profiler.h"
#include "runtime/route.h"

namespace torch_metal {
namespace {

using Order = c10::SmallVector<int64_t, 6>;
using BuildGraph = c10::function_ref<MPSGraph::Tensor*(MPSGraph::Graph*, const GraphValues&)>;

constexpr int64_t kMaxDimensions = 16, kMaxBytes = (int64_t{1} << 32) - 1;

/// The dimensions from the outermost in memory to the innermost, those of size 1 first; nothing if there are gaps.
std::optional<Order> memory_order(const at::Tensor& tensor) {
  Order order;
  for (int64_t d = 0; d < tensor.dim(); ++d)
    if (tensor.size(d) == 1) order.push_back(d);
  const size_t ones = order.size();
  for (int64_t d = 0; d < tensor.dim(); ++d)
    if (tensor.size(d) != 1) order.push_back(d);
  std::stable_sort(order.begin() + ones, order.end(),
                   [&](int64_t a, int64_t b) { return tensor.stride(a) > tensor.stride(b); });
  int64_t stride = 1;
  for (size_t i = order.size(); i-- > ones; stride *= tensor.size(order[i]))
    if (tensor.stride(order[i]) != stride) return std::nullopt;
  return order;
}

Order inverse(const Order& order) {
  Order result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[order[i]] = static_cast<int64_t>(i);
  return result;
}

bool is_identity(const Order& order) { return std::is_sorted(order.begin(), order.end()); }

/// A tensor as graphs have it: sizes in memory order.
struct Operand {
  explicit Operand(const at::Tensor& t) : tensor(t), order(memory_order(t).value()) {
    for (const int64_t d : order) sizes.push_back(t.size(d));
  }
  const at::Tensor& tensor;
  const Order order;
  Order sizes;
};

MPS::DataType data_type(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat: return MPS::DataTypeFloat32;
    case at::kHalf: return MPS::DataTypeFloat16;
    case at::kBFloat16: return MPS::DataTypeBFloat16;
    default: TORCH_INTERNAL_ASSERT(false, "a graph has no values of ", dtype);
  }
}

MPSGraph::TensorData* graph_data(const Operand& operand) {
  const BufferRange range = buffer_range(operand.tensor);
  MPS::NDArrayDescriptor* const descriptor =
      MPS::NDArrayDescriptor::descriptor(data_type(operand.tensor.scalar_type()), graph_shape(operand.sizes));
  MPS::NDArray* const array = MPS::NDArray::alloc()->init(range.buffer, range.offset, descriptor)->autorelease();
  return MPSGraph::TensorData::alloc()->init(array)->autorelease();
}

/// A compiled graph, and which input each of its feeds takes.
struct CompiledGraph {
  NS::SharedPtr<MPSGraph::Executable> executable;
  std::vector<size_t> feeds;
};

CompiledGraph compile(c10::ArrayRef<Operand> inputs, const Operand& out, BuildGraph build) {
  const auto graph = NS::TransferPtr(MPSGraph::Graph::alloc()->init());
  GraphValues placeholders, values;
  std::vector<const NS::Object*> types;
  for (const Operand& input : inputs) {
    const MPS::DataType type = data_type(input.tensor.scalar_type());
    NS::Array* const shape = graph_shape(input.sizes);
    placeholders.push_back(graph->placeholder(shape, type, nullptr));
    types.push_back(MPSGraph::ShapedType::alloc()->init(shape, type)->autorelease());
    values.push_back(is_identity(input.order)
                         ? placeholders.back()
                         : graph->transpose(placeholders.back(), graph_shape(inverse(input.order)), nullptr));
  }
  MPSGraph::Tensor* result = build(graph.get(), values);
  if (!is_identity(out.order)) result = graph->transpose(result, graph_shape(out.order), nullptr);

  const std::vector<const NS::Object*> keys(placeholders.begin(), placeholders.end());
  const NS::Dictionary* const feeds = NS::Dictionary::dictionary(types.data(), keys.data(), keys.size());
  CompiledGraph compiled{
      NS::RetainPtr(graph->compile(nullptr, feeds, NS::Array::array(result), nullptr, nullptr)), {}};
  if (!compiled.executable) check_device_is_present();
  TORCH_CHECK(compiled.executable, "metal: MPSGraph did not compile a graph. Within "
              "torch_metal.backends.prefer(matmul='msl', convolution='msl') kernels compute the same");
  const NS::Array* const order = compiled.executable->feedTensors();
  for (NS::UInteger i = 0; i < order->count(); ++i) {
    const auto place = std::find(placeholders.begin(), placeholders.end(), order->object<MPSGraph::Tensor>(i));
    TORCH_INTERNAL_ASSERT(place != placeholders.end());
    compiled.feeds.push_back(place - placeholders.begin());
  }
  return compiled;
}

/// The graphs that were used last.
class GraphCache {
 public:
  template <class Compile>
  CompiledGraph get(const std::string& key, Compile compile) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = places_.find(key);
    if (found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().graph;
    }
    entries_.push_front({key, compile()});
    places_.emplace(entries_.front().key, entries_.begin());
    if (entries_.size() > kMaxKeptGraphs) {
      places_.erase(entries_.back().key);
      entries_.pop_back();
    }
    return entries_.front().graph;
  }

  size_t size() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    std::string key;
    CompiledGraph graph;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;  ///< the last used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> places_;
};

GraphCache& graph_cache() {
  static auto* const cache = new GraphCache();  // never destroyed: graphs may outlive the process's statics
  return *cache;
}

/// What the profiler is told, if it is on.
std::optional<profiler::Operation> profiled_operation(std::string_view name, c10::ArrayRef<Operand> inputs,
                                                      const Operand& out) {
  if (!profiler::is_on()) return std::nullopt;
  profiler::Operation operation;
  operation.name = "MPSGraph " + std::string(name);
  operation.bytes = out.tensor.nbytes();
  for (const Operand& input : inputs) operation.bytes += input.tensor.nbytes();
  operation.encode_start_ns = profiler::now_ns();
  return operation;
}

void append(std::string& key, at::IntArrayRef numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  key.append(reinterpret_cast<const char*>(&count), sizeof(count));
  key.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(int64_t));
}

void append(std::string& key, const Operand& operand) {
  key.push_back(static_cast<char>(operand.tensor.scalar_type()));
  append(key, operand.sizes);
  append(key, operand.order);
}

}  // namespace

NS::Array* graph_shape(at::IntArrayRef sizes) {
  c10::SmallVector<const NS::Object*, 6> numbers;
  for (const int64_t size : sizes) numbers.push_back(NS::Number::number(static_cast<long long>(size)));
  return NS::Array::array(numbers.data(), numbers.size());
}

bool fits_graph(const at::Tensor& tensor) {
  const at::ScalarType dtype = tensor.scalar_type();
  if (dtype != at::kFloat && dtype != at::kHalf && dtype != at::kBFloat16) return false;
  return tensor.numel() > 0 && tensor.dim() <= kMaxDimensions && static_cast<int64_t>(tensor.nbytes()) <= kMaxBytes &&
         memory_order(tensor).has_value();
}

void run_graph(std::string_view name, at::IntArrayRef attributes, at::TensorList inputs, const at::Tensor& out,
               BuildGraph build) {
  const AutoreleaseScope pool;
  const c10::SmallVector<Operand, 3> operands(inputs.begin(), inputs.end());
  const Operand result(out);
  std::string key(name);
  append(key, attributes);
  for (const Operand& operand : operands) append(key, operand);
  append(key, result);
  const CompiledGraph graph = graph_cache().get(key, [&] { return compile(operands, result, build); });

  c10::SmallVector<const NS::Object*, 3> data;
  for (const size_t input : graph.feeds) data.push_back(graph_data(operands[input]));
  const NS::Array* const feeds = NS::Array::array(data.data(), data.size());
  const NS::Array* const results = NS::Array::array(graph_data(result));
  Stream& stream = Stream::current();
  const auto guard = stream.lock();
  const std::optional<profiler::Operation> profiled = profiled_operation(name, operands, result);
  graph.executable->encodeToCommandBuffer(MPS::CommandBuffer::commandBuffer(stream.command_buffer()), feeds, results,
                                          nullptr);
  stream.end_operation(profiled ? &*profiled : nullptr);
  take_route(Route::mps_graph);
}

size_t kept_graphs() { return graph_cache().size(); }

}  // namespace torch_metal
