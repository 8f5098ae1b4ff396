// Scalars, vectors, matrices and their conversions.

//// implicit conversion of vectors
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = int4(1);
//         ^ cannot initialize a variable of type 'float4' (vector of 4 'float' values) with an rvalue of type 'int4' (vector of 4 'int' values)
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = float4(int4(1)); o[i] = x.x;
  }

//// implicit narrowing of vectors
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    half4 x = 1; x = float4(2);
//                   ^ assigning to 'half4' (vector of 4 'half' values) from incompatible type 'float4' (vector of 4 'float' values)
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    half4 x = 1; x = half4(float4(2)); half y = 2.0f; o[i] = x.x + y;
  }

//// vectors of two lengths
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x = float3(2);
//                    ^ assigning to 'float4' (vector of 4 'float' values) from incompatible type 'float3' (vector of 3 'float' values)
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x = float4(float3(2), 1); o[i] = x.x;
  }

//// sum of two lengths
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = (float4(1) + float3(2)).x;
//                    ^ cannot convert between vector values of different size ('float4' (vector of 4 'float' values) and 'float3' (vector of 3 'float' values))
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = (float4(1) + 2).x;
  }

//// sum of two types
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = (float4(1) + int4(2)).x;
//                    ^ cannot convert between vector values of different size ('float4' (vector of 4 'float' values) and 'int4' (vector of 4 'int' values))
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = (float4(1) + float4(int4(2))).x;
  }

//// constructor with too few elements
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = float4(1, 2).x;
//         ^ a vector's constructor needs as many elements as the vector has
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = float4(1, 2, 3, 4).x;
  }

//// constructor with too many elements
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = float4(float3(1), float2(2)).x;
//         ^ a vector's constructor needs as many elements as the vector has
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = float4(float2(1), float2(2)).x;
  }

//// declaration with too few elements
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 v(1, 2); o[i] = v.x;
//          ^ a vector's constructor needs as many elements as the vector has
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 v(1, 2, 3, 4); o[i] = v.x;
  }

//// conversion to another length
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = float4(int3(1)).x;
//         ^ a vector converts to vectors of the same length
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = float4(int4(1)).x;
  }

//// cast to another length
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = (float4)int3(1); o[i] = x.x;
//             ^ a vector converts to vectors of the same length
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = ((float4)int4(1)).x;
  }

//// vector of five
  void f(vec<float, 5> x) {}
//                     ^ a vector has 2, 3 or 4 elements, not 5
//// ok
  void f(vec<float, 3> x) {}

//// vector of one
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    vec<float, 1> x; o[i] = x[0];
//                ^ a vector has 2, 3 or 4 elements, not 1
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    vec<float, 2> x; x = 1; o[i] = x[0];
  }

//// float5
  void f(float5 x) {}
//       ^ unknown type name 'float5'
//// ok
  void f(float4 x) {}

//// swizzle of mixed names
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; o[i] = x.xg.x;
//                        ^ illegal vector component name 'g'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; o[i] = x.xy.x + x.rg.x;
  }

//// swizzle out of range
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float2 x = 1; o[i] = x.z;
//                        ^ vector component access exceeds type 'float2' (vector of 2 'float' values)
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float2 x = 1; o[i] = x.y;
  }

//// swizzle with a wrong letter
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; o[i] = x.q;
//                        ^ illegal vector component name 'q'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; o[i] = x.w + x.a;
  }

//// assignment to a repeated component
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x.xx = float2(1, 2);
//                     ^ vector is not assignable (contains duplicate components)
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x.yx = float2(1, 2); o[i] = x.xxyy.x;
  }

//// assignment of another length to a swizzle
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x.xy = float3(1);
//                       ^ assigning to 'float2' (vector of 2 'float' values) from incompatible type 'float3' (vector of 3 'float' values)
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x.xyz = float3(1); o[i] = x.x;
  }

//// address of a swizzle
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; thread float* p = &x.x;
//                                  ^ address of vector element requested
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; thread float4* p = &x; o[i] = p->x;
  }

//// condition that is a vector
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; if (x == x) o[i] = 1;
//                    ^ value of type 'int4' (vector of 4 'int' values) is not contextually convertible to 'bool'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; if (all(x == x)) o[i] = 1;
  }

//// choice by a vector
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x = x < 2 ? x : float4(2);
//                      ^ the condition of '?:' must be a scalar; use select() for vectors
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x = select(x, float4(2), x < 2); o[i] = i < 2 ? x.x : 3;
  }

//// comparison as an int4
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; int4 m = x < 2; o[i] = m.x;
//                           ^ the bool4 that a comparison yields must be named here: write bool4(...)
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; int4 m = int4(x < 2); auto n = x < 2; o[i] = m.x + n.y + (x > 2).z;
  }

//// sum of comparisons
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; auto n = (x < 2) + (x > 0); o[i] = n.x;
//                                 ^ arithmetic is not for vectors of bool; convert them first
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; int4 n = int4(x < 2) + int4(x > 0); bool4 m = (x < 2) & (x > 0); o[i] = n.x + m.x;
  }

//// sum that becomes a bool4
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bool4 m = true; m += m; o[i] = m.x;
//                    ^ arithmetic is not for vectors of bool; convert them first
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bool4 m = true; m |= m; o[i] = m.x;
  }

//// comparison as an argument of another type
  int4 f(int4 x) { return x; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; o[i] = f(x < 2).x;
//                       ^ no matching function for call to 'f'
  }
//// ok
  bool4 f(bool4 x) { return !x; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; o[i] = f(x < 2).x;
  }

//// complement of a bool4
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bool4 m = true; m = ~m; o[i] = m.x;
//                      ^ '~' is not for vectors of bool; use '!'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bool4 m = true; bool4 n = !m; o[i] = n.x + any(!m);
  }

//// vector of bool by a template's parameter
  template <typename T> void f(T x) {
    vec<T, 2> y = x;
//            ^ a vector of bool must be written bool2, bool3, bool4 or vec<bool, N>
  }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(true);
  }
//// ok
  template <typename T> void f(T x) {
    vec<T, 2> y = x;
  }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(1);
  }

//// int4 as a bool4
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bool4 m = int4(1);
//        ^ cannot initialize a variable of type 'bool4' (vector of 4 'bool' values) with an rvalue of type 'int4' (vector of 4 'int' values)
  }
//// ok
  bool4 f(float4 x) {
    return x < 2;
  }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bool4 m = bool4(int4(1)); vec<bool, 4> n = m; o[i] = n.x + f(2).x;
  }

//// implicit half from bfloat
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bfloat b = 1; half h = b;
//                     ^ cannot initialize a variable of type 'half' with an lvalue of type 'bfloat'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bfloat b = 1; half h = half(b); o[i] = h;
  }

//// implicit bfloat from half
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    half h = 1; bfloat b = 2; b = h;
//                                ^ assigning to 'bfloat' from incompatible type 'half'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    half h = 1; bfloat b = 2; b = bfloat(h); o[i] = b;
  }

//// matrix of int
  void f(matrix<int, 2, 2> m) {}
//                         ^ matrix is for float and half
//// ok
  void f(matrix<half, 2, 2> m) {}

//// matrix of five columns
  void f(float5x2 m) {}
//       ^ unknown type name 'float5x2'
//// ok
  void f(float4x2 m) {}

//// matrix times a vector of another length
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float3x3 m(1); float4 v = m * float4(1); o[i] = v.x;
//                              ^ cannot convert between vector and non-scalar values ('float3x3' (aka 'matrix<float, 3, 3>') and 'float4' (vector of 4 'float' values))
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float3x3 m(1); float3 v = m * float3(1); o[i] = v.x;
  }

//// matrix of columns of another length
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float2x2 m = float2x2(float3(1), float3(2)); o[i] = m[0].x;
//               ^ no matching constructor for initialization of 'float2x2' (aka 'matrix<float, 2, 2>')
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float2x2 m = float2x2(float2(1), float2(2)); o[i] = m[0].x;
  }

//// product of matrices that do not fit
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float2x3 a(1); float2x3 b(1); auto c = a * b;
//                                           ^ invalid operands to binary expression ('float2x3' (aka 'matrix<float, 2, 3>') and 'float2x3')
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float2x3 a(1); float3x2 b(1); float3x3 c = a * b; o[i] = c[0].x;
  }

//// bits of another size
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = as_type<float>(half(1));
//         ^ as_type needs types of the same size
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = as_type<float>(half2(1));
  }

//// bits of a structure
  struct S { int a; };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    S s; s.a = 1; o[i] = as_type<float>(s);
//                       ^ as_type is for scalars and vectors
  }
//// ok
  struct S { int a; };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    S s; s.a = 1; o[i] = as_type<float>(s.a);
  }

//// remainder of floats
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = o[i] % 2;
//              ^ invalid operands to binary expression ('device float' and 'int')
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = fmod(o[i], 2);
  }

//// shift of a float
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = o[i] << 2;
//              ^ invalid operands to binary expression ('device float' and 'int')
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = int(o[i]) << 2;
  }

//// and of vectors of float
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 x = 1; x = x & x;
//                      ^ invalid operands to binary expression ('float4' (vector of 4 'float' values) and 'float4')
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int4 x = 1; x = x & x; o[i] = x.x;
  }

//// enumerator from a number
  enum class E { A, B };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    E e = 1;
//    ^ cannot initialize a variable of type 'E' with an rvalue of type 'int'
  }
//// ok
  enum class E { A, B };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    E e = E(1); o[i] = int(e);
  }

//// pointer from a number
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device float* p = 1;
//                ^ cannot initialize a variable of type 'device float *' with an rvalue of type 'int'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device float* p = nullptr; o[i] = p == nullptr;
  }
