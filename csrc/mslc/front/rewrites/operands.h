// What expressions look like as tokens: where the operand of a cast ends, what a comparison is.
#pragma once

#include "front/token_buffer.h"

namespace mslc {

/// Index after template arguments that are applied, as in `f<int, 4>(x)`; npos if the `<` at `open` begins none.
size_t template_arguments_end(const TokenBuffer& tokens, size_t open);
/// Index after the unary expression that begins at `index`: prefix operators and casts, a primary expression, and
/// the calls, subscripts and members applied to it.
size_t operand_end(const TokenBuffer& tokens, size_t index);
/// Whether [first, last) is one expression whose value is the truth of something: a comparison, `!x`, `x && y`, or such
/// joined by `&`, `|`, `^`.
bool yields_truth(const TokenBuffer& tokens, size_t first, size_t last);

/// Whether a cast's operand may begin at `index`.
bool begins_operand(const TokenBuffer& tokens, size_t index);

}  // namespace mslc
