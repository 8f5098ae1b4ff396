// Source to libraries, functions and pipelines.
#include "harness.h"

using metal_test::compile;
using metal_test::device;
using metal_test::text;

namespace {

constexpr const char* kConstants = R"MSL(
#include <metal_stdlib>
using namespace metal;
constant int summand [[function_constant(0)]];
constant bool negate [[function_constant(3)]];
kernel void apply(device int* values [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  values[i] = (negate ? -values[i] : values[i]) + summand;
}
)MSL";

// What `apply` makes of 5 with these constants.
int apply_to_five(const MTL::FunctionConstantValues* constants) {
  const auto library = compile(kConstants);
  NS::Error* error = nullptr;
  const auto function = NS::TransferPtr(library->newFunction(MTLSTR("apply"), constants, &error));
  CHECK(function);
  const auto pipeline = NS::TransferPtr(device()->newComputePipelineState(function.get(), &error));
  CHECK(pipeline);
  const auto values = metal_test::buffer_of(std::vector<int>{5});
  const auto queue = metal_test::new_queue();
  metal_test::run(queue.get(), [&](MTL::ComputeCommandEncoder* encoder) {
    encoder->setComputePipelineState(pipeline.get());
    encoder->setBuffer(values.get(), 0, 0);
    encoder->dispatchThreads(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1));
  });
  return metal_test::contents<int>(values)[0];
}

}  // namespace

TEST(invalid_source_gives_the_compilers_text) {
  NS::Error* error = nullptr;
  NS::String* const source = text("kernel void f() { undeclared = 1; }");
  const auto library = NS::TransferPtr(device()->newLibrary(source, nullptr, &error));
  CHECK(!library);
  CHECK_EQUAL(error->code(), NS::Integer(MTL::LibraryErrorCompileFailure));
  CHECK(error->domain()->isEqualToString(MTLSTR("MTLLibraryErrorDomain")));
  CHECK_CONTAINS(error->localizedDescription()->utf8String(), "program_source:1:19");
  CHECK_CONTAINS(error->localizedDescription()->utf8String(), "undeclared");
}

TEST(errors_need_not_be_asked_for) {
  NS::Error** const nowhere = nullptr;
  CHECK(!device()->newLibrary(text("not MSL"), nullptr, nowhere));
  CHECK(!metal_test::library()->newFunction(MTLSTR("absent"), nullptr, nowhere));
}

TEST(an_unknown_function_is_null) {
  NS::Error* error = nullptr;
  CHECK(!metal_test::library()->newFunction(MTLSTR("absent")));
  CHECK(!metal_test::library()->newFunction(MTLSTR("absent"), nullptr, &error));
  CHECK_EQUAL(error->code(), NS::Integer(MTL::LibraryErrorFunctionNotFound));
  CHECK_CONTAINS(error->localizedDescription()->utf8String(), "absent");
}

TEST(a_library_lists_its_functions) {
  const NS::Array* const names = metal_test::library()->functionNames();
  bool found = false;
  for (NS::UInteger i = 0; i < names->count(); ++i)
    found |= names->object<NS::String>(i)->isEqualToString(MTLSTR("affine"));
  CHECK(found);
}

TEST(macros_reach_the_preprocessor) {
  constexpr const char* kSource = "#if LEVEL == 3\nkernel void TARGET() {}\n#endif\n";
  const NS::Object* const names[] = {MTLSTR("LEVEL"), MTLSTR("TARGET")};
  const NS::Object* const values[] = {NS::Number::number(3), MTLSTR("chosen")};
  const auto options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
  options->setPreprocessorMacros(NS::Dictionary::dictionary(values, names, 2));
  const auto library = compile(kSource, options.get());
  CHECK_EQUAL(library->functionNames()->count(), 1u);
  CHECK(library->functionNames()->object<NS::String>(0)->isEqualToString(MTLSTR("chosen")));
}

TEST(function_constants_are_set_by_index_and_by_name) {
  const auto constants = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  const int summand = 100;
  const bool no = false, yes = true;
  constants->setConstantValue(&summand, MTL::DataTypeInt, NS::UInteger(0));
  constants->setConstantValue(&no, MTL::DataTypeBool, NS::UInteger(3));
  CHECK_EQUAL(apply_to_five(constants.get()), 105);
  constants->setConstantValue(&yes, MTL::DataTypeBool, MTLSTR("negate"));
  CHECK_EQUAL(apply_to_five(constants.get()), 95);
}

TEST(a_function_tells_its_constants) {
  const auto library = compile(kConstants);
  const auto function = NS::TransferPtr(library->newFunction(MTLSTR("apply")));
  const NS::Dictionary* const constants = function->functionConstantsDictionary();
  const auto* const negate = constants->object<MTL::FunctionConstant>(MTLSTR("negate"));
  CHECK(negate);
  CHECK_EQUAL(negate->type(), MTL::DataTypeBool);
  CHECK_EQUAL(negate->index(), 3u);
  CHECK(negate->name()->isEqualToString(MTLSTR("negate")));
}

TEST(pipelines_tell_their_limits) {
  const MTL::ComputePipelineState* const pipeline = metal_test::pipeline("affine");
  CHECK_EQUAL(pipeline->threadExecutionWidth(), 32u);
  CHECK_EQUAL(pipeline->maxTotalThreadsPerThreadgroup(), 1024u);
  CHECK_EQUAL(pipeline->staticThreadgroupMemoryLength(), 0u);
}

TEST(a_descriptor_can_lower_the_threads_of_a_threadgroup) {
  const auto function = NS::TransferPtr(metal_test::library()->newFunction(MTLSTR("affine")));
  const auto descriptor = NS::TransferPtr(MTL::ComputePipelineDescriptor::alloc()->init());
  descriptor->setComputeFunction(function.get());
  descriptor->setMaxTotalThreadsPerThreadgroup(64);
  NS::Error* error = nullptr;
  const auto pipeline = NS::TransferPtr(
      device()->newComputePipelineState(descriptor.get(), MTL::PipelineOptionNone, nullptr, &error));
  CHECK_EQUAL(pipeline->maxTotalThreadsPerThreadgroup(), 64u);
}

TEST(reflection_reads_the_signature) {
  const auto function = NS::TransferPtr(metal_test::library()->newFunction(MTLSTR("reverse_in_group")));
  MTL::ComputePipelineReflection* reflection = nullptr;
  NS::Error* error = nullptr;
  const auto pipeline = NS::TransferPtr(
      device()->newComputePipelineState(function.get(), MTL::PipelineOptionArgumentInfo, &reflection, &error));
  CHECK(pipeline && reflection);
  const NS::Array* const bindings = reflection->bindings();
  CHECK_EQUAL(bindings->count(), 3u);

  const auto* const in = bindings->object<MTL::BufferBinding>(0);
  CHECK(in->name()->isEqualToString(MTLSTR("in")));
  CHECK_EQUAL(in->type(), MTL::BindingTypeBuffer);
  CHECK_EQUAL(in->access(), MTL::BindingAccessReadOnly);
  CHECK_EQUAL(in->bufferDataType(), MTL::DataTypeFloat);
  CHECK_EQUAL(in->bufferDataSize(), 4u);

  const auto* const out = bindings->object<MTL::BufferBinding>(1);
  CHECK_EQUAL(out->access(), MTL::BindingAccessReadWrite);
  CHECK_EQUAL(out->index(), 1u);

  const auto* const scratch = bindings->object<MTL::ThreadgroupBinding>(2);
  CHECK_EQUAL(scratch->type(), MTL::BindingTypeThreadgroupMemory);
  CHECK_EQUAL(scratch->index(), 0u);
}
