// Kernels: signatures, arguments, attributes.

//// result
  kernel int k(device float* o) { return 1; }
//           ^ kernel must have void return type, not 'int'
//// ok
  kernel void k(device float* o) { return; }

//// called by a kernel
  kernel void a(device float* o) { o[0] = 1; }
  kernel void b(device float* o) {
    a(o);
//  ^ kernel 'a' cannot be called
  }
//// ok
  void a(device float* o) { o[0] = 1; }
  kernel void b(device float* o) { a(o); }

//// called by a function
  kernel void a(device float* o) { o[0] = 1; }
  void b(device float* o) {
    a(o);
//  ^ kernel 'a' cannot be called
  }
//// ok
  void b(device float* o) { o[0] = 1; }
  kernel void a(device float* o) { b(o); }

//// overloaded
  kernel void a(device float* o) { o[0] = 1; }
  kernel void a(device int* o) { o[0] = 1; }
//            ^ another kernel is named 'a'
//// ok
  kernel void a(device float* o);
  kernel void a(device float* o) { o[0] = 1; }

//// host name used twice
  template <typename T> kernel void a(device T* o) {}
  template [[host_name("f")]] kernel void a<float>(device float*);
  template [[host_name("f")]] kernel void a<int>(device int*);
//                                        ^ another kernel is named 'f'
//// ok
  template <typename T> kernel void a(device T* o) {}
  template [[host_name("f")]] kernel void a<float>(device float*);
  template [[host_name("i")]] kernel void a<int>(device int*);

//// host name without a name
  template <typename T> kernel void a(device T* o) {}
  template [[host_name]] kernel void a<float>(device float*);
//                                   ^ 'host_name' needs a name in quotes
//// ok
  [[host_name("b")]] kernel void a(device float* o) {}

//// host name that is a number
  [[host_name(3)]] kernel void a(device float* o) {}
//                             ^ 'host_name' needs a name in quotes
//// ok
  [[host_name("3")]] kernel void a(device float* o) {}

//// member of a class
  struct S {
    kernel void k(device float* o) {}
//              ^ a kernel cannot be a member of a class
  };
//// ok
  struct S {
    void k(device float* o) {}
  };

//// variadic
  kernel void k(device float* o, ...) {}
//            ^ a kernel cannot have variadic arguments
//// ok
  template <typename... T> void f(T... x) {}
  kernel void k(device float* o) { f(1, 2); }

//// main
  int main() { return 0; }
//    ^ a function cannot be named 'main'
//// ok
  namespace n {
  int main() { return 0; }
  }

//// thread limit of 0
  [[max_total_threads_per_threadgroup(0)]] kernel void k(device float* o) {}
//                                                     ^ 'max_total_threads_per_threadgroup' needs a positive number
//// ok
  [[max_total_threads_per_threadgroup(32 * 4)]] kernel void k(device float* o) {}

//// thread limit without a number
  [[max_total_threads_per_threadgroup]] kernel void k(device float* o) {}
//                                                  ^ 'max_total_threads_per_threadgroup' needs a positive number
//// ok
  template <int N> [[max_total_threads_per_threadgroup(N)]] kernel void k(device float* o) {}
  template kernel void k<64>(device float*);

//// thread limit that is no integer
  [[max_total_threads_per_threadgroup(1.5)]] kernel void k(device float* o) {}
//                                                       ^ 'max_total_threads_per_threadgroup' needs a positive number
//// ok
  constant int limit = 64;
  [[max_total_threads_per_threadgroup(limit)]] kernel void k(device float* o) {}

//// value without an attribute
  kernel void k(device float* o, uint i) {}
//                                    ^ kernel parameter of type 'uint' has no attribute that gives it a value
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {}

//// structure without an attribute
  struct S { int a; };
  kernel void k(S s) {}
//                ^ kernel parameter of type 'S' has no attribute that gives it a value
//// ok
  struct S { int a; };
  kernel void k(constant S& s) {}

//// value as a buffer
  kernel void k(float x [[buffer(0)]]) {}
//                    ^ kernel parameter of type 'float' has no attribute that gives it a value
//// ok
  kernel void k(constant float& x [[buffer(0)]]) {}

//// thread pointer
  kernel void k(thread float* x [[buffer(0)]]) {}
//                            ^ kernel parameter of type 'float*' must be in the device, constant or threadgroup address space
//// ok
  kernel void k(device float* x [[buffer(0)]]) {}

//// threadgroup pointer as a buffer
  kernel void k(threadgroup int* a [[buffer(0)]]) {}
//                               ^ attribute 'buffer' cannot be applied to a parameter of type 'threadgroup int*'
//// ok
  kernel void k(threadgroup int* a [[threadgroup(0)]]) {}

//// device pointer as threadgroup memory
  kernel void k(device int* a [[threadgroup(0)]]) {}
//                          ^ attribute 'threadgroup' cannot be applied to a parameter of type 'device int*'
//// ok
  kernel void k(device int* a [[buffer(0)]], threadgroup int& b [[threadgroup(0)]]) {}

//// buffer index twice
  kernel void k(device int* a [[buffer(1)]], device int* b [[buffer(1)]]) {}
//                                                       ^ buffer index 1 is used by another parameter
//// ok
  kernel void k(device int* a [[buffer(1)]], threadgroup int* b [[threadgroup(1)]]) {}

//// threadgroup index twice
  kernel void k(threadgroup int* a [[threadgroup(1)]], threadgroup int* b [[threadgroup(1)]]) {}
//                                                                      ^ threadgroup index 1 is used by another parameter
//// ok
  kernel void k(threadgroup int* a [[threadgroup(1)]], threadgroup int* b) {}

//// buffer index 31
  kernel void k(device int* a [[buffer(31)]]) {}
//                          ^ 'buffer' attribute needs an index from 0 to 30
//// ok
  kernel void k(device int* a [[buffer(30)]]) {}

//// negative buffer index
  kernel void k(device int* a [[buffer(-1)]]) {}
//                          ^ 'buffer' attribute needs an index from 0 to 30
//// ok
  kernel void k(device int* a [[buffer(0)]]) {}

//// buffer without an index
  kernel void k(device int* a [[buffer]]) {}
//                          ^ 'buffer' attribute needs an index from 0 to 30
//// ok
  kernel void k(device int* a) {}

//// buffer with two indices
  kernel void k(device int* a [[buffer(0, 1)]]) {}
//                          ^ 'buffer' attribute needs an index from 0 to 30
//// ok
  kernel void k(device int* a [[buffer(0 + 1)]]) {}

//// threadgroup index 31
  kernel void k(threadgroup int* a [[threadgroup(31)]]) {}
//                               ^ 'threadgroup' attribute needs an index from 0 to 30
//// ok
  kernel void k(threadgroup int* a [[threadgroup(30)]]) {}

//// 32 buffers
  #define FOUR(n) device int *a##n, device int *b##n, device int *c##n, device int *d##n
  kernel void k(FOUR(0), FOUR(1), FOUR(2), FOUR(3), FOUR(4), FOUR(5), FOUR(6),
                device int* x, device int* y, device int* z, device int* last) {}
//                                                                       ^ kernel has more than 31 arguments of this kind
//// ok
  #define FOUR(n) device int *a##n, device int *b##n, device int *c##n, device int *d##n
  kernel void k(FOUR(0), FOUR(1), FOUR(2), FOUR(3), FOUR(4), FOUR(5), FOUR(6),
                device int* x, device int* y, device int* z, threadgroup int* last) {}

//// misspelt attribute
  kernel void k(uint i [[thread_position_in_gird]]) {}
//                   ^ unknown attribute 'thread_position_in_gird' on a kernel parameter
//// ok
  kernel void k(uint i [[thread_position_in_grid]]) {}

//// attribute of vertex functions
  kernel void k(uint i [[vertex_id]]) {}
//                   ^ unknown attribute 'vertex_id' on a kernel parameter
//// ok
  kernel void k([[thread_position_in_grid]] uint i) {}

//// built-in with an argument
  kernel void k(uint i [[thread_position_in_grid(0)]]) {}
//                   ^ attribute 'thread_position_in_grid' takes no argument
//// ok
  kernel void k(uint3 i [[thread_position_in_grid]]) {}

//// two built-ins on one parameter
  kernel void k(uint i [[thread_position_in_grid, thread_index_in_simdgroup]]) {}
//                   ^ attributes 'thread_position_in_grid' and 'thread_index_in_simdgroup' cannot be on one parameter
//// ok
  kernel void k(uint i [[thread_position_in_grid]], uint j [[thread_index_in_simdgroup]]) {}

//// built-in on a buffer
  kernel void k(device uint* i [[thread_position_in_grid]]) {}
//                           ^ invalid type 'device uint*' for attribute 'thread_position_in_grid'
//// ok
  kernel void k(device uint* i [[buffer(0)]]) {}

//// built-in by reference
  kernel void k(constant uint& i [[thread_position_in_grid]]) {}
//                             ^ invalid type 'constant uint&' for attribute 'thread_position_in_grid'
//// ok
  kernel void k(const uint i [[thread_position_in_grid]]) {}

//// built-in as float
  kernel void k(float i [[thread_position_in_grid]]) {}
//                    ^ invalid type 'float' for attribute 'thread_position_in_grid'
//// ok
  kernel void k(ushort i [[thread_position_in_grid]]) {}

//// built-in as int
  kernel void k(int3 i [[thread_position_in_grid]]) {}
//                   ^ invalid type 'int3' for attribute 'thread_position_in_grid'
//// ok
  kernel void k(uint3 i [[thread_position_in_grid]]) {}

//// built-in as ulong
  kernel void k(ulong i [[thread_position_in_grid]]) {}
//                    ^ invalid type 'ulong' for attribute 'thread_position_in_grid'
//// ok
  kernel void k(uint i [[thread_position_in_grid]]) {}

//// built-in as uchar
  kernel void k(uchar i [[thread_index_in_simdgroup]]) {}
//                    ^ invalid type 'uchar' for attribute 'thread_index_in_simdgroup'
//// ok
  kernel void k(ushort i [[thread_index_in_simdgroup]]) {}

//// built-in as bool
  kernel void k(bool i [[thread_index_in_threadgroup]]) {}
//                   ^ invalid type 'bool' for attribute 'thread_index_in_threadgroup'
//// ok
  kernel void k(uint i [[thread_index_in_threadgroup]]) {}

//// built-in of four
  kernel void k(uint4 i [[threads_per_grid]]) {}
//                    ^ invalid type 'uint4' for attribute 'threads_per_grid'
//// ok
  kernel void k(ushort2 i [[threads_per_grid]]) {}

//// packed built-in
  kernel void k(packed_uint3 i [[threads_per_grid]]) {}
//                           ^ invalid type 'metal::__packed3<uint>' for attribute 'threads_per_grid'
//// ok
  kernel void k(vec<uint, 3> i [[threads_per_grid]]) {}

//// scalar built-in as a vector
  kernel void k(uint2 lane [[thread_index_in_simdgroup]]) {}
//                    ^ invalid type 'uint2' for attribute 'thread_index_in_simdgroup'
//// ok
  kernel void k(ushort lane [[thread_index_in_simdgroup]]) {}

//// built-in twice
  kernel void k(uint i [[thread_position_in_grid]], uint j [[thread_position_in_grid]]) {}
//                                                       ^ attribute 'thread_position_in_grid' is used by another parameter
//// ok
  kernel void k(uint i [[thread_position_in_grid]], uint j [[threadgroup_position_in_grid]]) {}

//// both names of the SIMD-group's width
  kernel void k(uint a [[thread_execution_width]], uint b [[threads_per_simdgroup]]) {}
//                                                      ^ attribute 'thread_execution_width' is used by another parameter
//// ok
  kernel void k(uint a [[thread_execution_width]], uint b [[simdgroups_per_threadgroup]]) {}

//// positions of two lengths
  kernel void k(uint3 g [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]]) {}
//                                                        ^ attributes 'thread_position_in_grid' and 'thread_position_in_threadgroup' need types of the same length
//// ok
  kernel void k(uint3 g [[thread_position_in_grid]], ushort3 t [[thread_position_in_threadgroup]], uint n [[thread_index_in_threadgroup]]) {}

//// position and size of two types
  kernel void k(uint2 t [[thread_position_in_threadgroup]], ushort2 n [[threads_per_threadgroup]]) {}
//                                                                  ^ attributes 'thread_position_in_threadgroup' and 'threads_per_threadgroup' need the same type
//// ok
  kernel void k(ushort2 t [[thread_position_in_threadgroup]], ushort2 n [[threads_per_threadgroup]]) {}

//// grid position and size of two types
  kernel void k(ushort t [[thread_position_in_grid]], uint n [[threads_per_grid]]) {}
//                                                         ^ attributes 'thread_position_in_grid' and 'threads_per_grid' need the same type
//// ok
  kernel void k(ushort t [[thread_position_in_grid]], uint n [[threads_per_threadgroup]]) {}
