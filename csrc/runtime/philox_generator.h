// torch.Generator("metal").
#pragma once

#include <c10/core/GeneratorImpl.h>

#include "runtime/generator.h"

namespace torch_metal {

class PhiloxGenerator final : public c10::GeneratorImpl {
 public:
  PhiloxGenerator();
  static c10::DeviceType device_type();

  void set_current_seed(uint64_t seed) override;
  void set_offset(uint64_t offset) override;
  uint64_t get_offset() const override;
  uint64_t current_seed() const override;
  uint64_t seed() override;
  /// The state is 16 bytes: seed, offset.
  void set_state(const c10::TensorImpl& new_state) override;
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override;

  /// Takes `count` counter values. The caller holds mutex_.
  PhiloxState reserve(uint64_t count);

 private:
  PhiloxGenerator* clone_impl() const override;

  PhiloxState state_{c10::default_rng_seed_val, 0};
};

}  // namespace torch_metal
