// What MSL has and C++17 has not, rewritten on preprocessed tokens. docs/mslc-internals.md lists the results.
#pragma once

#include "front/token_buffer.h"

namespace mslc {

/// Reports words that MSL forbids: `double`, `virtual`, `new`, ...
void reject_forbidden_words(const TokenBuffer& tokens);

/// `1.5` is a float, `1.5bf` a bfloat.
void rewrite_literals(TokenBuffer& tokens);
/// A string used as a pointer is in the constant address space.
void rewrite_strings(TokenBuffer& tokens);
/// `void f() const device` loses its address space; methods that then are the same are merged, also if
/// their results are in their objects' address spaces: `device T& f() device` returns a `T&` to anywhere. `constant` leaves the
/// annotation "msl:constant_object".
void rewrite_method_qualifiers(TokenBuffer& tokens);
/// `constant T x [[function_constant(i)]];` declares two extern constants: the value, and whether there is one.
/// On a parameter, `function_constant(x)` becomes `exists_if(&x)`.
void rewrite_function_constants(TokenBuffer& tokens);
/// `[[buffer(0)]]`, `[[host_name("f")]]`, `kernel` become annotations.
void rewrite_attributes(TokenBuffer& tokens);
/// `threadgroup T a[N];` in a function becomes an annotated static variable.
void rewrite_threadgroup_variables(TokenBuffer& tokens);
/// `float4(x)`, `(float4)x`, `float4 v(x, y)`, `T(x)` call the constructor functions of the standard library.
void rewrite_vectors(TokenBuffer& tokens);
/// `bool4 m = a < b;`, `m = a < b;`, `return a < b;` make a bool4 of clang's vector of integers.
void rewrite_bool_vectors(TokenBuffer& tokens);
/// `device`, `threadgroup`, `constant`, `thread` become clang's address spaces.
void rewrite_address_spaces(TokenBuffer& tokens);

/// All of them, in an order that works.
void rewrite(TokenBuffer& tokens);

/// For each token, whether it lies in the body of a function.
std::vector<bool> function_bodies(const TokenBuffer& tokens);
/// Whether token `index` is `device`, `threadgroup`, `constant` or `thread`.
bool is_address_space(const TokenBuffer& tokens, size_t index);

}  // namespace mslc
