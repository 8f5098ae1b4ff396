// MPSGraph: what graphs compute with the library that was lent, and what they refuse.
#include <cstring>

#include "harness.h"
#include "metal/host_library.h"

using metal_test::contents;
using metal_test::device;
using metal_test::new_queue;
using metal_test::zeros;
using torch_metal::HostArray;
using Floats = std::vector<float>;

namespace {

int g_calls = 0;  ///< of the library

float& at(const HostArray& array, int64_t row, int64_t column) {
  return static_cast<float*>(array.data)[row * array.strides[0] + column * array.strides[1]];
}

template <class Element>
void fill(const HostArray& out, Element element) {
  ++g_calls;
  for (int64_t i = 0; i < out.sizes[0]; ++i)
    for (int64_t j = 0; j < out.sizes[1]; ++j) at(out, i, j) = element(i, j);
}

/// A library of matrices alone.
const torch_metal::HostLibrary kMatrices{
    [](const HostArray& out, const HostArray& in) {
      fill(out, [&](int64_t i, int64_t j) { return at(in, i, j); });
    },
    [](const HostArray& out, const HostArray& a, const HostArray& b) {
      fill(out, [&](int64_t i, int64_t j) { return at(a, i, j) + at(b, i, j); });
    },
    [](const HostArray& out, const HostArray& a, const HostArray& b, const HostArray* addend) {
      if (a.sizes[1] == 5) throw std::runtime_error("five is too many");
      fill(out, [&](int64_t i, int64_t j) {
        float sum = addend ? at(*addend, i, j) : 0;
        for (int64_t k = 0; k < a.sizes[1]; ++k) sum += at(a, i, k) * at(b, k, j);
        return sum;
      });
    },
    nullptr, nullptr, nullptr};

NS::Array* numbers(std::initializer_list<int64_t> values) {
  std::vector<const NS::Object*> objects;
  for (const int64_t value : values) objects.push_back(NS::Number::number(static_cast<long long>(value)));
  return NS::Array::array(objects.data(), objects.size());
}

MPSGraph::TensorData* data(const NS::SharedPtr<MTL::Buffer>& buffer, NS::Array* shape, NS::UInteger offset = 0) {
  auto* const descriptor = MPS::NDArrayDescriptor::descriptor(MPS::DataTypeFloat32, shape);
  auto* const array = MPS::NDArray::alloc()->init(buffer.get(), offset, descriptor)->autorelease();
  return MPSGraph::TensorData::alloc()->init(array)->autorelease();
}

/// A graph with one placeholder of each shape.
struct Built {
  explicit Built(std::vector<NS::Array*> shapes) : graph(NS::TransferPtr(MPSGraph::Graph::alloc()->init())) {
    for (NS::Array* const shape : shapes)
      in.push_back(graph->placeholder(shape, MPS::DataTypeFloat32, nullptr));
  }

  NS::SharedPtr<MPSGraph::Executable> compile(const MPSGraph::Tensor* target) {
    std::vector<const NS::Object*> keys(in.begin(), in.end()), types;
    for (const MPSGraph::Tensor* const tensor : in)
      types.push_back(MPSGraph::ShapedType::alloc()->init(tensor->shape(), tensor->dataType())->autorelease());
    return NS::RetainPtr(graph->compile(nullptr, NS::Dictionary::dictionary(types.data(), keys.data(), keys.size()),
                                        NS::Array::array(target), nullptr, nullptr));
  }

  NS::SharedPtr<MPSGraph::Graph> graph;
  std::vector<MPSGraph::Tensor*> in;
};

/// Runs an executable; returns the error's text, empty if there is none.
std::string run(MPSGraph::Executable* executable, std::vector<const NS::Object*> inputs, MPSGraph::TensorData* result) {
  const auto queue = new_queue();
  MTL::CommandBuffer* const commands = queue->commandBuffer();
  executable->encodeToCommandBuffer(MPS::CommandBuffer::commandBuffer(commands),
                                    NS::Array::array(inputs.data(), inputs.size()), NS::Array::array(result), nullptr);
  commands->commit();
  commands->waitUntilCompleted();
  return commands->error() ? commands->error()->localizedDescription()->utf8String() : "";
}

Floats floats(const NS::SharedPtr<MTL::Buffer>& buffer) {
  const float* const first = contents<float>(buffer);
  return Floats(first, first + buffer->length() / sizeof(float));
}

}  // namespace

TEST(graphs_need_a_library) {
  Built built({numbers({2, 2})});
  CHECK(!built.compile(built.in[0]));
}

TEST(products_write_transposed_results_and_add_in_one_call) {
  set_host_library(kMatrices);
  Built built({numbers({2, 3}), numbers({2, 3}), numbers({1, 2})});
  auto* const other = built.graph->transpose(built.in[1], numbers({1, 0}), nullptr);
  auto* const sum = built.graph->addition(built.graph->matrixMultiplication(built.in[0], other, nullptr), built.in[2],
                                          nullptr);
  const auto executable = built.compile(built.graph->transpose(sum, numbers({1, 0}), nullptr));
  const auto a = metal_test::buffer_of<float>({1, 2, 3, 4, 5, 6}), b = metal_test::buffer_of<float>({1, 0, 1, 0, 1, 0});
  const auto c = metal_test::buffer_of<float>({100, 200}), out = zeros(16);
  g_calls = 0;
  CHECK_EQUAL(run(executable.get(),
                  {data(a, numbers({2, 3})), data(b, numbers({2, 3})), data(c, numbers({1, 2}))},
                  data(out, numbers({2, 2}))),
              "");
  CHECK(floats(out) == (Floats{104, 110, 202, 205}));
  CHECK_EQUAL(g_calls, 1);
}

TEST(values_that_are_used_twice_are_computed_once) {
  set_host_library(kMatrices);
  Built built({numbers({2, 2})});
  auto* const twice = built.graph->addition(built.in[0], built.in[0], nullptr);
  const auto executable = built.compile(built.graph->addition(twice, twice, nullptr));
  const auto in = metal_test::buffer_of<float>({0, 1, 2, 3}), out = zeros(16);
  g_calls = 0;
  CHECK_EQUAL(run(executable.get(), {data(in, numbers({2, 2}))}, data(out, numbers({2, 2}))), "");
  CHECK(floats(out) == (Floats{0, 4, 8, 12}));
  CHECK_EQUAL(g_calls, 2);
}

TEST(graphs_run_among_the_other_commands_and_outlive_their_owners) {
  set_host_library(kMatrices);
  const auto queue = new_queue();
  const auto in = metal_test::buffer_of<float>({1, 2, 3, 4, 0, 0, 0, 0}), out = zeros(16);
  MTL::CommandBuffer* const commands = queue->commandBuffer();
  MTL::BlitCommandEncoder* const blit = commands->blitCommandEncoder();
  blit->copyFromBuffer(in.get(), 0, in.get(), 16, 16);
  blit->endEncoding();
  {
    const auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
    Built built({numbers({2, 2})});
    const auto executable = built.compile(built.graph->addition(built.in[0], built.in[0], nullptr));
    executable->encodeToCommandBuffer(MPS::CommandBuffer::commandBuffer(commands),
                                      NS::Array::array(data(in, numbers({2, 2}), 16)),
                                      NS::Array::array(data(out, numbers({2, 2}))), nullptr);
  }
  commands->commit();
  commands->waitUntilCompleted();
  CHECK(floats(out) == (Floats{2, 4, 6, 8}));
}

TEST(what_the_library_throws_is_an_error_of_the_command_buffer) {
  set_host_library(kMatrices);
  Built built({numbers({1, 5}), numbers({5, 1})});
  const auto executable = built.compile(built.graph->matrixMultiplication(built.in[0], built.in[1], nullptr));
  const auto in = zeros(20), out = zeros(4);
  CHECK_CONTAINS(run(executable.get(), {data(in, numbers({1, 5})), data(in, numbers({5, 1}))},
                     data(out, numbers({1, 1}))),
                 "five is too many");
}

TEST(graphs_say_which_sizes_do_not_fit) {
  set_host_library(kMatrices);
  const auto buffer = zeros(64);
  {
    Built built({numbers({2, 3}), numbers({2, 3})});
    const auto executable = built.compile(built.graph->matrixMultiplication(built.in[0], built.in[1], nullptr));
    CHECK_CONTAINS(run(executable.get(), {data(buffer, numbers({2, 3})), data(buffer, numbers({2, 3}))},
                       data(buffer, numbers({2, 3}))),
                   "matrixMultiplication: sizes [2, 3] and [2, 3]");
  }
  Built built({numbers({2, 2})});
  const auto executable = built.compile(built.graph->addition(built.in[0], built.in[0], nullptr));
  CHECK_CONTAINS(run(executable.get(), {data(buffer, numbers({4}))}, data(buffer, numbers({2, 2}))),
                 "an input has sizes [4] where [2, 2]");
  CHECK_CONTAINS(run(executable.get(), {data(buffer, numbers({2, 2}))}, data(buffer, numbers({2, 2}), 52)),
                 "reaches beyond the end of its buffer");
}

TEST(convolutions_say_which_sizes_do_not_fit) {
  set_host_library(kMatrices);
  const auto error = [](std::vector<NS::Array*> shapes, auto convolve) {
    Built built(std::move(shapes));
    const auto executable = built.compile(convolve(built));
    std::vector<const NS::Object*> none;
    return run(executable.get(), none, data(zeros(4), numbers({1})));
  };
  const auto in_2d = [](Built& built) {
    auto* const descriptor = MPSGraph::Convolution2DOpDescriptor::alloc()->init()->autorelease();
    return built.graph->convolution2D(built.in[0], built.in[1], descriptor, nullptr);
  };
  const auto in_3d = [](Built& built) {
    auto* const descriptor = MPSGraph::Convolution3DOpDescriptor::alloc()->init()->autorelease();
    descriptor->setStrideInZ(2);
    return built.graph->convolution3D(built.in[0], built.in[1], descriptor, nullptr);
  };
  const auto gradient_3d = [](Built& built) {
    auto* const descriptor = MPSGraph::Convolution3DOpDescriptor::alloc()->init()->autorelease();
    descriptor->setDilationRateInZ(2);
    return built.graph->convolution3DDataGradient(built.in[0], built.in[1], numbers({1, 2, 4, 4, 4}), descriptor,
                                                  nullptr);
  };
  const auto uneven_padding = [](Built& built) {
    auto* const descriptor = MPSGraph::Convolution3DOpDescriptor::alloc()->init()->autorelease();
    descriptor->setPaddingFront(1);
    return built.graph->convolution3D(built.in[0], built.in[1], descriptor, nullptr);
  };
  NS::Array *const image = numbers({1, 2, 4, 4}), *const volume = numbers({1, 2, 4, 4, 4});
  NS::Array *const flat = numbers({3, 2, 2, 2}), *const deep = numbers({3, 2, 2, 2, 2});
  CHECK_CONTAINS(error({volume, deep}, in_2d), "takes values of 4 dimensions");
  CHECK_CONTAINS(error({image, flat}, in_3d), "takes values of 5 dimensions");
  CHECK_CONTAINS(error({volume, numbers({3, 1, 2, 2, 2})}, in_3d), "do not fit a source [1, 2, 4, 4, 4]");
  CHECK_CONTAINS(error({volume, deep}, in_3d), "arrays for 2 values");
  CHECK_CONTAINS(error({numbers({1, 3, 3, 3, 3}), deep}, gradient_3d), "is not [1, 3, 3, 3, 3]");
  CHECK_CONTAINS(error({numbers({1, 3, 2, 3, 3}), deep}, gradient_3d), "arrays for 2 values");
  CHECK_CONTAINS(error({volume, deep}, uneven_padding), "pads both sides of a convolution alike");
}

TEST(placeholders_that_are_not_fed_are_an_error) {
  set_host_library(kMatrices);
  Built built({numbers({2, 2})});
  auto* const other = built.graph->placeholder(numbers({2, 2}), MPS::DataTypeFloat32, nullptr);
  const auto executable = built.compile(built.graph->addition(built.in[0], other, nullptr));
  const auto buffer = zeros(16);
  CHECK_CONTAINS(run(executable.get(), {data(buffer, numbers({2, 2}))}, data(buffer, numbers({2, 2}))),
                 "a placeholder that is not fed");
}
