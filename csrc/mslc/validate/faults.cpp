#include "validate/faults.h"

namespace mslc {

bool Faults::is_new(FaultKind kind, const std::string& location) {
  return seen_.emplace(kind, location).second && seen_.size() <= kMaxDescribed;
}

void Faults::describe(std::string text) { descriptions_.push_back(std::move(text)); }

std::string Faults::text(const std::string& kernel) const {
  const size_t count = seen_.size();
  std::string text = "validation of kernel '" + kernel + "' found " + std::to_string(count) + (count == 1 ? " fault:" : " faults:");
  for (const std::string& description : descriptions_) text += "\n  " + description;
  if (count > descriptions_.size()) text += "\n  and " + std::to_string(count - descriptions_.size()) + " more";
  return text;
}

}  // namespace mslc
