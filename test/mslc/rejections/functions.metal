// Functions, templates, classes.

//// recursion
  int f(int n) { return n < 2 ? 1 : n * f(n - 1); }
//                                      ^ recursive call of 'f' is not supported in Metal
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f(i);
  }
//// ok
  template <int N> int f() { return N * f<N - 1>(); }
  template <> int f<0>() { return 1; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f<4>();
  }

//// mutual recursion
  int g(int);
  int f(int n) { return n ? g(n - 1) : 0; }
  int g(int n) { return f(n); }
//                      ^ recursive call of 'f' is not supported in Metal
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f(i);
  }
//// ok
  int g(int);
  int f(int n) { return n ? g(n - 1) : 0; }
  int g(int n) { return n; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f(i);
  }

//// argument count
  float f(float a, float b) { return a + b; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f(1);
//         ^ no matching function for call to 'f'
  }
//// ok
  float f(float a, float b) { return a + b; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f(1, 2);
  }

//// static_assert
  static_assert(sizeof(int) == 8, "int is small");
//              ^ static assertion failed due to requirement 'sizeof(int) == 8': int is small
//// ok
  static_assert(sizeof(int) == 4, "int is small");

//// in a template
  template <typename T> T twice(T x) { return x.absent + x; }
//                                             ^ member reference base type 'float' is not a structure or union
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = twice(1.0f);
  }
//// ok
  template <typename T> T twice(T x) { return x + x; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = twice(1.0f);
  }

//// template without a match
  template <typename T> T f(T a, T b) { return a + b; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f(1, 2.0f);
//         ^ no matching function for call to 'f'
  }
//// ok
  template <typename T> T f(T a, T b) { return a + b; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f<float>(1, 2.0f);
  }

//// ambiguous overload
  float f(int a, float b) { return a; }
  float f(float a, int b) { return b; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f(1, 2);
//         ^ call to 'f' is ambiguous
  }
//// ok
  float f(int a, float b) { return a; }
  float f(float a, int b) { return b; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = f(1, 2.0f);
  }

//// overload on spaces without a match
  float f(device float* p) { return *p; }
  float f(threadgroup float* p) { return *p; }
  kernel void k(device float* o, constant float* c, uint i [[thread_position_in_grid]]) {
    o[i] = f(c);
//         ^ no matching function for call to 'f'
  }
//// ok
  float f(device float* p) { return *p; }
  float f(threadgroup float* p) { return *p; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[2]; o[i] = f(o) + f(a);
  }

//// lambda that does not capture
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x = 1; auto f = [] { return x; }; o[i] = f();
//                                  ^ variable 'x' cannot be implicitly captured in a lambda with no capture-default specified
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x = 1; auto f = [x] { return x; }; auto g = [&] { return o[x]; }; o[i] = f() + g();
  }

//// missing return type
  f(int x) { return x; }
//^ a type specifier is required for all declarations
//// ok
  auto f(int x) { return x; }

//// bit-field of float
  struct S {
    float x : 3;
//        ^ bit-field 'x' has non-integral type 'float'
  };
//// ok
  struct S {
    uint x : 3, y : 5;
    bool z : 1;
  };

//// address of a bit-field
  struct S { int x : 3; };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    S s; thread int* p = &s.x;
//                       ^ address of bit-field requested
  }
//// ok
  struct S { int x; };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    S s; thread int* p = &s.x;
  }

//// private member
  class C {
    int x;
  };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    C c; o[i] = c.x;
//                ^ 'x' is a private member of 'C'
  }
//// ok
  class C {
   public:
    int x;
  };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    C c; c.x = 1; o[i] = c.x;
  }

//// missing semicolon
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = 1
//          ^ expected ';' after expression
    o[i] = 2;
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = 1;
    o[i] = 2;
  }

//// missing brace
  kernel void k(device float* o) {
    o[0] = 1;
//           ^ expected '}'
//// ok
  kernel void k(device float* o) {
    o[0] = 1; }

//// behind rewritten text
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 v(1, 2, 3, half(4)); o[i] = dot(float4(v), (float4)v) + 1.5 + absent;
//                                                                       ^ use of undeclared identifier 'absent'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float4 v(1, 2, 3, half(4)); o[i] = dot(float4(v), (float4)v) + 1.5;
  }

//// default argument that is not constant in type
  void f(thread float* p = 1);
//                     ^ cannot initialize a parameter of type 'float *' with an rvalue of type 'int'
//// ok
  void f(thread float* p = nullptr);

//// call of a number
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; o[i] = x(2);
//                       ^ called object type 'float' is not a function or function pointer
  }
//// ok
  float twice(float x) { return 2 * x; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float (*f)(float) = twice; o[i] = f(2);
  }
