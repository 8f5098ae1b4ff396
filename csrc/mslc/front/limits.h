// How much source the compiler takes on, beside clang's own limit of 256 for brackets in brackets.
#pragma once

#include "front/token_buffer.h"

namespace mslc {

/// Tokens of a source and what it includes, once macros are expanded.
inline constexpr size_t kMaxTokens = 4'000'000;

/// Reports statements so long that code which nests without brackets (`!!!!x`, `if (a) if (b)`, `a ? b : c ? d : e`)
/// might exhaust the compiler's stack, or its user's patience.
void reject_excesses(const TokenBuffer& tokens);

}  // namespace mslc
