// Executables: graphs that are done, and their runs in command buffers.
#include "execution/faults.h"
#include "execution/submission.h"
#include "execution/text.h"
#include "graph/evaluation.h"

namespace metal_software {
namespace {

/// A run that waits for its turn in a command buffer.
struct GraphRun : HostWork {
  void execute() const override {
    std::vector<HostArray> arrays;
    for (const auto& input : inputs) arrays.push_back(memory_of(*input.get()));
    Evaluation evaluation(executable->feeds, arrays);
    for (size_t i = 0; i < results.size(); ++i)
      evaluation.compute(*executable->targets[i].get(), memory_of(*results[i].get()));
  }

  static HostArray memory_of(const NDArrayObject& array) {
    return dense_array(reinterpret_cast<std::byte*>(array.buffer->gpuAddress()) + array.offset, array.type,
                       array.shape);
  }

  NS::SharedPtr<const ExecutableObject> executable;
  std::vector<NS::SharedPtr<const NDArrayObject>> inputs, results;
};

/// What is wrong with the memory given for a value, or nothing.
std::string memory_fault(const char* what, const Node& node, const NDArrayObject& array) {
  if (array.shape != node.shape || array.type != node.type)
    return concat("MPSGraph: ", what, " has sizes ", text_of(array.shape), " where ", text_of(node.shape),
                  " or another type was compiled for");
  const size_t bytes = elements_of(array.shape) * bytes_of(array.type);
  if (!array.buffer || array.offset > array.buffer->length() || bytes > array.buffer->length() - array.offset)
    return concat("MPSGraph: ", what, " of sizes ", text_of(array.shape), " reaches beyond the end of its buffer");
  return {};
}

/// The arrays given for values, in their order. Faults go to `failure`.
std::vector<NS::SharedPtr<const NDArrayObject>> arrays_for(const char* what, const NS::Array* data,
                                                           const std::vector<NS::SharedPtr<const Node>>& nodes,
                                                           std::string& failure) {
  std::vector<NS::SharedPtr<const NDArrayObject>> arrays;
  if (data->count() != nodes.size()) {
    failure = concat("MPSGraph: ", data->count(), " arrays for ", nodes.size(), " values, ", what);
    return arrays;
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    arrays.push_back(static_cast<TensorDataObject*>(data->object<MPSGraph::TensorData>(i))->array);
    if (failure.empty()) failure = memory_fault(what, *nodes[i].get(), *arrays.back().get());
  }
  return arrays;
}

}  // namespace

void encode_run(Submission& submission, const ExecutableObject& executable, const NS::Array* inputs,
                const NS::Array* results) {
  auto run = NS::TransferPtr(new GraphRun());
  std::string failure = executable.failure;
  if (failure.empty()) run->inputs = arrays_for("an input", inputs, executable.feeds, failure);
  if (failure.empty()) run->results = arrays_for("a result", results, executable.targets, failure);
  if (!failure.empty()) return submission.fail(MTL::CommandBufferErrorInvalidResource, failure);
  run->executable = NS::RetainPtr(&executable);
  submission.append<HostCall>(submission.adopt(run.get()));
}

}  // namespace metal_software

namespace MPSGraph {

using namespace metal_software;

NS::Array* Executable::feedTensors() const {
  std::vector<const NS::Object*> tensors;
  for (const auto& feed : static_cast<const ExecutableObject*>(this)->feeds) tensors.push_back(feed.get());
  return NS::Array::array(tensors.data(), tensors.size());
}

void Executable::encodeToCommandBuffer(MPS::CommandBuffer* commandBuffer, const NS::Array* inputs,
                                       const NS::Array* results, const NS::Object*) {
  MTL::CommandBuffer* const buffer = static_cast<CommandBufferObject*>(commandBuffer)->command_buffer.get();
  if (buffer->betweenEncoders())
    encode_run(*buffer->submission_, static_cast<ExecutableObject&>(*this), inputs, results);
}

Executable* Graph::compile(const NS::Object*, const NS::Dictionary* feeds, const NS::Array* targetTensors,
                           const NS::Array*, const NS::Object*) {
  if (!host_library() || fails(Place::new_graph)) return nullptr;
  const auto& graph = static_cast<const GraphObject&>(*this);
  auto* const executable = new ExecutableObject();
  executable->failure = graph.failure;
  for (const auto& node : graph.nodes) {
    if (node->kind != Node::Kind::placeholder) continue;
    if (!feeds->object(node.get())) executable->failure = "MPSGraph: the graph has a placeholder that is not fed";
    executable->feeds.push_back(NS::RetainPtr<const Node>(node.get()));
  }
  for (size_t i = 0; i < targetTensors->count(); ++i)
    executable->targets.push_back(NS::RetainPtr(node_of(targetTensors->object<Tensor>(i))));
  return executable->autorelease();
}

}  // namespace MPSGraph
