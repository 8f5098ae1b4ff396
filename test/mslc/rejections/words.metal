// Words and constructions of C++ that Metal lacks.

//// double
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    double x = 1; o[i] = x;
//  ^ 'double' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; o[i] = x;
  }

//// double in a cast
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = (double)i;
//          ^ 'double' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = (float)i;
  }

//// double as a template argument
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = sizeof(vec<double, 2>);
//                    ^ 'double' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = sizeof(vec<float, 2>);
  }

//// long double
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    long double x = 1; o[i] = x;
//       ^ 'double' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    long x = 1; o[i] = x;
  }

//// literal of long double
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = 1.5L;
//         ^ 'long double' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = 1.5f + 15L;
  }

//// long long
  long long square(int x) { return x * x; }
//^ 'long long' is not supported in Metal
//// ok
  long square(int x) { return x * x; }

//// unsigned long long
  void f(unsigned long long x) {}
//                ^ 'long long' is not supported in Metal
//// ok
  void f(unsigned long x) {}

//// virtual
  struct S {
    virtual void f();
//  ^ 'virtual' is not supported in Metal
  };
//// ok
  struct S {
    void f();
  };

//// virtual base
  struct A { int a; };
  struct B : virtual A {};
//           ^ 'virtual' is not supported in Metal
//// ok
  struct A { int a; };
  struct B : A {};

//// new
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    thread int* p = new int;
//                  ^ 'new' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x; thread int* p = &x;
  }

//// placement new
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x; thread int* p = new (&x) int;
//                         ^ 'new' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x = int(); thread int* p = &x;
  }

//// delete
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x; thread int* p = &x; delete p;
//                             ^ 'delete' is not supported in Metal
  }
//// ok
  struct S {
    S(int) = delete;
  };

//// goto
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    for (;;) { goto end; }
//             ^ 'goto' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    for (;;) { break; }
  }

//// label
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    again: o[i] = 1;
//  ^ a label is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    switch (i) { case 1: o[i] = 1; break; default: o[i] = i ? 2 : 3; }
  }

//// throw
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    throw 1;
//  ^ 'throw' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    return;
  }

//// try
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    try { o[i] = 1; } catch (int) { o[i] = 2; }
//  ^ 'try' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    { o[i] = 1; }
  }

//// noexcept
  float f(float x) noexcept { return x; }
//                 ^ 'noexcept' is not supported in Metal
//// ok
  float f(float x) { return x; }

//// dynamic_cast
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x; thread int* p = dynamic_cast<thread int*>(&x);
//                         ^ 'dynamic_cast' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x; thread int* p = static_cast<thread int*>(&x);
  }

//// typeid
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = &typeid(int) != nullptr;
//          ^ 'typeid' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = is_same_v<decltype(i), uint>;
  }

//// thread_local
  thread_local int x;
//^ 'thread_local' is not supported in Metal
//// ok
  constant int x = 1;

//// register
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    register int x = 1; o[i] = x;
//  ^ 'register' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x = 1; o[i] = x;
  }

//// register parameter
  void f(register int x) {}
//       ^ 'register' is not supported in Metal
//// ok
  void f(int x) {}

//// assembly
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    asm("nop");
//  ^ 'asm' is not supported in Metal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    (void)"nop";
  }

//// vertex function
  vertex float4 v(uint i [[vertex_id]]) { return 0; }
//^ a vertex function: this compiler has compute kernels alone
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float vertex = 1; o[i] = vertex;
  }

//// fragment function
  fragment float4 f() { return 0; }
//^ a fragment function: this compiler has compute kernels alone
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float fragment = 1; o[i] = fragment;
  }

//// two at once
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    double x = 1;
//  ^ 'double' is not supported in Metal
    goto end;
//  ^ 'goto' is not supported in Metal
  }
