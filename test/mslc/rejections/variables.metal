// Where variables may live, and how they start.

//// global
  float g = 1;
//      ^ variable at program scope must be in the constant address space
//// ok
  constant float g = 1;

//// const global
  const float g = 1;
//            ^ variable at program scope must be in the constant address space
//// ok
  constant const float g = 1;

//// constexpr global
  constexpr float g = 1;
//                ^ variable at program scope must be in the constant address space
//// ok
  constexpr constant float g = 1;

//// static const global
  static const float g = 1;
//                   ^ variable at program scope must be in the constant address space
//// ok
  static constant float g = 1;

//// global in a namespace
  namespace n {
  int g = 1;
//    ^ variable at program scope must be in the constant address space
  }
//// ok
  namespace n {
  constant int g = 1;
  }

//// device global
  device float g;
//             ^ variable at program scope must be in the constant address space
//// ok
  extern constant float g;

//// thread global
  thread float g = 1;
//             ^ variable at program scope must be in the constant address space
//// ok
  constant float g = 1, h = 2;

//// array global
  int g[] = {1, 2};
//    ^ variable at program scope must be in the constant address space
//// ok
  constant int g[] = {1, 2};

//// variable template
  template <typename T> constexpr int size_v = sizeof(T);
//                                    ^ variable at program scope must be in the constant address space
//// ok
  template <typename T> constexpr constant int size_v = sizeof(T);

//// static data member
  struct S {
    static constexpr int n = 4;
//                       ^ variable at program scope must be in the constant address space
  };
//// ok
  struct S {
    static constexpr constant int n = 4;
  };

//// pointer global
  device float* p = nullptr;
//              ^ variable at program scope must be in the constant address space
//// ok
  device float* constant p = nullptr;

//// constant without a value
  constant int x;
//             ^ default initialization of an object of const type 'constant int'
//// ok
  constant int x = 0;

//// constant that a function computes
  float half_of(float x) { return x / 2; }
  constant float x = half_of(1);
//                   ^ initializer of a variable in the constant address space must be a constant expression
//// ok
  constexpr float half_of(float x) { return x / 2; }
  constant float x = half_of(1);

//// constant that waits for a pointer's target
  constant int a = 1;
  constant int* constant p = &a;
  constant float x = *p;
//                   ^ initializer of a variable in the constant address space must be a constant expression
//// ok
  constant int a = 1;
  constant int* constant p = &a;
  constant float x = a + 1;

//// static local
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    static int n = 0; o[i] = n++;
//             ^ variable in a function cannot be static
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int n = 0; o[i] = n++;
  }

//// static const local
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    static const int n = 1; o[i] = n;
//                   ^ variable in a function cannot be static
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    constexpr int n = 1; o[i] = n;
  }

//// array of variable length
  kernel void k(device float* o, constant int& n, uint i [[thread_position_in_grid]]) {
    float a[n]; a[0] = 1; o[i] = a[0];
//        ^ the length of an array must be a constant
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float a[sizeof(int)]; a[0] = 1; o[i] = a[0];
  }

//// threadgroup variable in a function
  void f() {
    threadgroup float a[4];
//                    ^ variable in the threadgroup address space must be declared in a kernel
    a[0] = 1;
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[4]; a[0] = 1;
  }

//// threadgroup variable at program scope
  threadgroup float a[4];
//                  ^ variable in the threadgroup address space must be declared in a kernel
//// ok
  void f(threadgroup float* a) {}

//// threadgroup variable in a template
  template <typename T> void f(T x) {
    threadgroup T a[4];
//                ^ variable in the threadgroup address space must be declared in a kernel
    a[0] = x;
  }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(1.0f);
  }
//// ok
  template <typename T> kernel void k(device T* o) {
    threadgroup T a[4];
    a[0] = *o;
  }
  template kernel void k<int>(device int*);

//// threadgroup initializer
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a = 1;
//                    ^ variable in the threadgroup address space cannot have an initializer
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a; a = 1;
  }

//// threadgroup array initializer
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[2] = {1, 2};
//                    ^ variable in the threadgroup address space cannot have an initializer
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[2]; a[0] = 1;
  }

//// threadgroup object with a constructor
  struct S {
    int a;
    S() : a(1) {}
  };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup S s;
//                ^ variable in the threadgroup address space cannot have an initializer
  }
//// ok
  struct S {
    int a;
  };
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup S s; s.a = 1;
  }

//// name used twice
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x = 1; int x = 2;
//                 ^ redefinition of 'x'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    int x = 1; { int x = 2; o[i] = x; }
  }

//// undeclared name
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = absent;
//         ^ use of undeclared identifier 'absent'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float absent = 1; o[i] = absent;
  }
