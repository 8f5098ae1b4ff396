// Pointers, references and objects in address spaces that do not fit.

//// pointer parameter without a space
  void set(float* p) { *p = 1; }
//                ^ a pointer must name its address space: device, constant, threadgroup or thread
//// ok
  void set(thread float* p) { *p = 1; }

//// pointer to const without a space
  float get(const float* p) { return *p; }
//                       ^ a pointer must name its address space: device, constant, threadgroup or thread
//// ok
  float get(const thread float* p) { return *p; }

//// reference parameter without a space
  void set(float& x) { x = 1; }
//                ^ a reference must name its address space: device, constant, threadgroup or thread
//// ok
  void set(thread float& x) { x = 1; }

//// reference to const without a space
  float get(const float& x) { return x; }
//                       ^ a reference must name its address space: device, constant, threadgroup or thread
//// ok
  float get(const thread float& x) { return x; }

//// reference to an array without a space
  float first(float (&x)[4]) { return x[0]; }
//                    ^ a reference must name its address space: device, constant, threadgroup or thread
//// ok
  float first(thread float (&x)[4]) { return x[0]; }

//// unnamed pointer parameter without a space
  void set(float*);
//               ^ a pointer must name its address space: device, constant, threadgroup or thread
//// ok
  void set(thread float*);

//// local pointer without a space
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; float* p = &x; o[i] = *p;
//                      ^ a pointer must name its address space: device, constant, threadgroup or thread
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; thread float *p = &x, *q = p; o[i] = *q;
  }

//// second of two pointers without a space
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; float y = 2, *p = &x; o[i] = *p + y;
//                             ^ a pointer must name its address space: device, constant, threadgroup or thread
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; thread float y = 2, *p = &x; o[i] = *p + y;
  }

//// local reference without a space
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; float& y = x; o[i] = y;
//                      ^ a reference must name its address space: device, constant, threadgroup or thread
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; thread float& y = x; auto& z = y; o[i] = z;
  }

//// member pointer without a space
  struct S {
    float* p;
//         ^ a pointer must name its address space: device, constant, threadgroup or thread
  };
//// ok
  struct S {
    device float* p;
  };

//// pointer in a lambda's parameters without a space
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    auto f = [](float* p) { return *p; };
//                     ^ a pointer must name its address space: device, constant, threadgroup or thread
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    auto f = [](device float* p) { return *p; }; o[i] = f(o);
  }

//// pointer without a space in a template
  template <typename T> T twice(T x, float* p) { return x + *p; }
//                                          ^ a pointer must name its address space: device, constant, threadgroup or thread
//// ok
  template <typename T> T twice(T x, thread T* p) { return x + *p; }

//// device pointer passed as thread
  void f(thread float* p);
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(o);
//    ^ cannot convert 'device float*' to 'thread float*': the address spaces differ
  }
//// ok
  void f(device float* p) { *p = 1; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(o);
  }

//// threadgroup pointer passed as thread
  void f(thread float* p);
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[4]; f(a);
//                            ^ cannot convert 'threadgroup float*' to 'thread float*': the address spaces differ
  }
//// ok
  void f(threadgroup float* p) { *p = 1; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[4]; f(a);
  }

//// constant pointer passed as thread
  float f(const thread float* p);
  kernel void k(device float* o, constant float* c, uint i [[thread_position_in_grid]]) {
    o[i] = f(c);
//           ^ cannot convert 'constant float*' to 'thread const float*': the address spaces differ
  }
//// ok
  float f(constant float* p) { return *p; }
  kernel void k(device float* o, constant float* c, uint i [[thread_position_in_grid]]) {
    o[i] = f(c);
  }

//// device bound to a thread reference
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    thread float& x = o[i];
//                    ^ cannot convert 'device float' to 'thread float': the address spaces differ
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device float& x = o[i]; float y = o[i]; x = y;
  }

//// device element passed as a thread reference
  void f(thread float& x);
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(o[i]);
//    ^ cannot convert 'device float' to 'thread float': the address spaces differ
  }
//// ok
  void f(device float& x) { x = 1; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(o[i]);
  }

//// device pointer passed as threadgroup
  void f(threadgroup float* p);
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(o);
//  ^ no matching function for call to 'f'
  }
//// ok
  void f(threadgroup float* p) { *p = 1; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[2]; f(a);
  }

//// thread pointer passed as device
  void f(device float* p);
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x; f(&x);
//           ^ no matching function for call to 'f'
  }
//// ok
  void f(device float* p) { *p = 1; }
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    f(&o[i]);
  }

//// constant pointer passed as device
  void f(const device float* p);
  kernel void k(constant float* c, uint i [[thread_position_in_grid]]) {
    f(c);
//  ^ no matching function for call to 'f'
  }
//// ok
  void f(const device float* p) {}
  kernel void k(device const float* c, uint i [[thread_position_in_grid]]) {
    f(c);
  }

//// device pointer kept as threadgroup
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float* p = o;
//                     ^ cannot initialize a variable of type 'threadgroup float *' with an lvalue of type 'device float *'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device float* p = o;
  }

//// threadgroup pointer kept as device
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[4]; device float* p = a;
//                                        ^ cannot initialize a variable of type 'device float *' with an lvalue of type 'threadgroup float[4]'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[4]; threadgroup float* p = a;
  }

//// device pointer assigned to constant
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    constant float* p; p = o;
//                         ^ assigning 'device float *' to 'constant float *' changes address space of pointer
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device float* p; p = o;
  }

//// cast from thread to device
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; device float* p = (device float*)&x; *p = 2;
//                                 ^ cannot convert 'thread float*' to 'device float*': the address spaces differ
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x = 1; thread uint* p = (thread uint*)&x; *p = 2;
  }

//// cast from device to thread
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    thread float* p = (thread float*)o; *p = 2;
//                    ^ cannot convert 'device float*' to 'thread float*': the address spaces differ
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device uint* p = (device uint*)o; *p = 2;
  }

//// cast from device to threadgroup
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float* p = (threadgroup float*)o; *p = 2;
//                         ^ C-style cast from 'device float *' to 'threadgroup float *' converts between mismatching address spaces
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device char* p = (device char*)o; *p = 2;
  }

//// cast from constant to device
  kernel void k(constant float* c, uint i [[thread_position_in_grid]]) {
    device float* p = (device float*)c; *p = 2;
//                    ^ C-style cast from 'constant float *' to 'device float *' converts between mismatching address spaces
  }
//// ok
  kernel void k(device float* o, constant float* c, uint i [[thread_position_in_grid]]) {
    constant uint* p = (constant uint*)c; o[i] = *p;
  }

//// reinterpret_cast from thread to device
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float x; device float* p = reinterpret_cast<device float*>(&x); *p = 2;
//                             ^ reinterpret_cast from 'float *' to 'device float *' is not allowed
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device uint* p = reinterpret_cast<device uint*>(o); *p = 2;
  }

//// two spaces
  void f(device threadgroup float* p);
//              ^ multiple address spaces specified for type
//// ok
  void f(device float* threadgroup* p);

//// parameter in a space
  void f(device float x) {}
//                    ^ parameter may not be qualified with an address space
//// ok
  void f(device float* x) {}

//// member in a space
  struct S {
    threadgroup float x;
//                    ^ field may not be qualified with an address space
  };
//// ok
  struct S {
    threadgroup float* x;
  };

//// result in a space
  device float f() { return 1; }
//             ^ a function cannot return a value in an address space
//// ok
  device float* f(device float* p) { return p + 1; }

//// local variable in device
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    device float x; x = 1;
//               ^ automatic variable qualified with an address space
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    thread float x; x = 1;
  }

//// local variable in constant
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    constant float x = 1; o[i] = x;
//                 ^ automatic variable qualified with an address space
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    const float x = 1; constexpr float y = 2; o[i] = x + y;
  }

//// write to constant
  kernel void k(constant int& c, uint i [[thread_position_in_grid]]) {
    c = 1;
//    ^ cannot assign to variable 'c' with const-qualified type 'constant int &'
  }
//// ok
  kernel void k(device int& c, uint i [[thread_position_in_grid]]) {
    c = 1;
  }

//// write through a pointer to constant
  kernel void k(constant int* c, uint i [[thread_position_in_grid]]) {
    c[0] = 1;
//       ^ read-only variable is not assignable
  }
//// ok
  kernel void k(device int* c, uint i [[thread_position_in_grid]]) {
    c[0] = 1;
  }

//// write to const
  kernel void k(device const int* p, uint i [[thread_position_in_grid]]) {
    p[0] = 1;
//       ^ read-only variable is not assignable
  }
//// ok
  kernel void k(device int* p, uint i [[thread_position_in_grid]]) {
    p[0] = 1;
  }

//// write to a member of constant
  struct S { int a; };
  kernel void k(constant S& s, uint i [[thread_position_in_grid]]) {
    s.a = 1;
//      ^ cannot assign to variable 's' with const-qualified type 'constant S &'
  }
//// ok
  struct S { int a; };
  kernel void k(device S& s, uint i [[thread_position_in_grid]]) {
    s.a = 1;
  }

//// increment of constant
  kernel void k(constant int& c, uint i [[thread_position_in_grid]]) {
    c++;
//   ^ cannot assign to variable 'c' with const-qualified type 'constant int &'
  }
//// ok
  kernel void k(threadgroup int& c, uint i [[thread_position_in_grid]]) {
    c++;
  }

//// write to a global
  constant int x = 1;
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    x = 2;
//    ^ cannot assign to variable 'x' with const-qualified type 'constant int'
  }
//// ok
  constant int x = 1;
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = x;
  }

//// method on a constant object
  struct S {
    int a;
    int get() const { return a; }
  };
  kernel void k(device float* o, constant S& s, uint i [[thread_position_in_grid]]) {
    o[i] = s.get();
//           ^ 'get' is called on an object in the constant address space but not declared 'const constant'
  }
//// ok
  struct S {
    int a;
    int get() const { return a; }
    int get() const constant { return a; }
  };
  kernel void k(device float* o, constant S& s, uint i [[thread_position_in_grid]]) {
    S t = s; o[i] = s.get() + t.get();
  }

//// operator on a constant object
  struct S {
    int a;
    int operator[](int j) const { return a + j; }
  };
  kernel void k(device float* o, constant S& s, uint i [[thread_position_in_grid]]) {
    o[i] = s[1];
//         ^ 'operator[]' is called on an object in the constant address space but not declared 'const constant'
  }
//// ok
  struct S {
    int a;
    int operator[](int j) const device { return a + j; }
  };
  kernel void k(device float* o, device S& s, uint i [[thread_position_in_grid]]) {
    o[i] = s[1];
  }

//// method that writes, on const
  struct S {
    int a;
    void set() { a = 1; }
  };
  kernel void k(device const S& s, uint i [[thread_position_in_grid]]) {
    s.set();
//  ^ 'this' argument to member function 'set' has type 'device const S', but function is not marked const
  }
//// ok
  struct S {
    int a;
    void set() { a = 1; }
  };
  kernel void k(device S& s, uint i [[thread_position_in_grid]]) {
    s.set();
  }
