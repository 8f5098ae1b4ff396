// Where the operand of a cast ends.
#pragma once

#include "front/token_buffer.h"

namespace mslc {

/// Index after the unary expression that begins at `index`: prefix operators and casts, a primary expression, and
/// the calls, subscripts and members applied to it.
size_t operand_end(const TokenBuffer& tokens, size_t index);

/// Whether a cast's operand may begin at `index`.
bool begins_operand(const TokenBuffer& tokens, size_t index);

}  // namespace mslc
