#include "runtime/generator.h"

#include <ATen/Utils.h>
#include <c10/core/GeneratorImpl.h>

#include <cstring>

#include "runtime/device.h"
#include "runtime/philox_generator.h"

namespace torch_metal {

PhiloxGenerator::PhiloxGenerator() : c10::GeneratorImpl(kMetalDevice, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)) {}

c10::DeviceType PhiloxGenerator::device_type() { return kMetal; }

void PhiloxGenerator::set_current_seed(uint64_t seed) { state_ = {seed, 0}; }

void PhiloxGenerator::set_offset(uint64_t offset) { state_.offset = offset; }

uint64_t PhiloxGenerator::get_offset() const { return state_.offset; }

uint64_t PhiloxGenerator::current_seed() const { return state_.seed; }

uint64_t PhiloxGenerator::seed() {
  set_current_seed(c10::detail::getNonDeterministicRandom());
  return state_.seed;
}

void PhiloxGenerator::set_state(const c10::TensorImpl& new_state) {
  at::detail::check_rng_state(new_state);
  TORCH_CHECK(new_state.numel() == sizeof(PhiloxState), "RNG state is wrong size: a metal generator's has ",
              sizeof(PhiloxState), " bytes, got ", new_state.numel());
  std::memcpy(&state_, new_state.data(), sizeof(PhiloxState));
}

c10::intrusive_ptr<c10::TensorImpl> PhiloxGenerator::get_state() const {
  at::Tensor state = at::empty({sizeof(PhiloxState)}, at::TensorOptions().dtype(at::kByte).device(at::kCPU));
  std::memcpy(state.mutable_data_ptr(), &state_, sizeof(PhiloxState));
  return state.getIntrusivePtr();
}

PhiloxState PhiloxGenerator::reserve(uint64_t count) {
  const PhiloxState start = state_;
  state_.offset += count;
  return start;
}

PhiloxGenerator* PhiloxGenerator::clone_impl() const {
  auto* const copy = new PhiloxGenerator();
  copy->state_ = state_;
  return copy;
}

PhiloxState reserve_philox(const std::optional<at::Generator>& generator, uint64_t count) {
  auto* const philox = at::get_generator_or_default<PhiloxGenerator>(generator, default_generator());
  const std::lock_guard<std::mutex> lock(philox->mutex_);
  return philox->reserve(count);
}

const at::Generator& default_generator() {
  static const auto* const generator = new at::Generator(at::make_generator<PhiloxGenerator>());
  return *generator;
}

}  // namespace torch_metal
