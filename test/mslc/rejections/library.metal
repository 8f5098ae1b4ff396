// Calls of the standard library that Metal does not have.

//// minimum of half and float
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    half h = 1; o[i] = min(h, o[i]);
//                     ^ call to 'min' is ambiguous
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    half h = 1; o[i] = min(float(h), o[i]);
  }

//// maximum of int and float
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = max(0, o[i]);
//         ^ call to 'max' is ambiguous
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = max(0.0f, o[i]);
  }

//// maximum of uint and int
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = max(i, 1);
//         ^ call to 'max' is ambiguous
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = max(i, 1u);
  }

//// maximum of bfloat
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bfloat b = 1; b = max(b, b);
//                    ^ call to 'max' is ambiguous
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    bfloat b = 1; b = bfloat(max(float(b), float(b))); o[i] = b;
  }

//// limits of int around a float
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = clamp(o[i], 0, 1);
//         ^ call to 'clamp' is ambiguous
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = clamp(o[i], 0.0f, 1.0f);
  }

//// exponential of an int
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = exp(2);
//         ^ call to 'exp' is ambiguous
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = exp(2.0);
  }

//// scalar product of int
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = dot(int2(1), int2(2));
//         ^ no matching function for call to 'dot'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = dot(float2(1), float2(2));
  }

//// cross product in two dimensions
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = cross(float2(1), float2(2)).x;
//         ^ no matching function for call to 'cross'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = cross(float3(1), float3(2)).x;
  }

//// bits of a float
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = popcount(o[i]);
//         ^ call to 'popcount' is ambiguous
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = popcount(as_type<uint>(o[i]));
  }

//// second result without a variable
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = modf(o[i], 1.0f);
//         ^ no matching function for call to 'modf'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float whole; o[i] = modf(o[i], whole) + whole;
  }

//// second result into device memory
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = modf(o[i], o[1]);
//                    ^ cannot convert 'device float' to 'thread float': the address spaces differ
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float cosine; o[i] = sincos(o[i], cosine); o[1] = cosine;
  }

//// function of C
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = expm1(o[i]);
//         ^ use of undeclared identifier 'expm1'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = exp(o[i]) - 1;
  }

//// printf
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    printf("%d", i);
//  ^ use of undeclared identifier 'printf'
  }

//// sum of long over lanes
  kernel void k(device long* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_sum(o[i]);
//         ^ no matching function for call to 'simd_sum'
  }
//// ok
  kernel void k(device int* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_sum(o[i]);
  }

//// sum of ulong over lanes
  kernel void k(device ulong* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_sum(o[i]);
//         ^ no matching function for call to 'simd_sum'
  }
//// ok
  kernel void k(device uint2* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_sum(o[i]);
  }

//// sum of bfloat over lanes
  kernel void k(device bfloat* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_sum(o[i]);
//         ^ no matching function for call to 'simd_sum'
  }
//// ok
  kernel void k(device half* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_sum(o[i]);
  }

//// broadcast of bool
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_broadcast(i > 1, 0);
//         ^ no matching function for call to 'simd_broadcast'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_broadcast(uint(i > 1), 0);
  }

//// shuffle of a matrix
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float2x2 m(1); m = simd_shuffle(m, 1);
//                     ^ no matching function for call to 'simd_shuffle'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float2x2 m(1); m[0] = simd_shuffle(m[0], 1); o[i] = m[0].x;
  }

//// shuffle without a lane
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_shuffle(o[i]);
//         ^ no matching function for call to 'simd_shuffle'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_shuffle(o[i], 1);
  }

//// filling of another type
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_shuffle_and_fill_up(o[i], 0, 1);
//         ^ no matching function for call to 'simd_shuffle_and_fill_up'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_shuffle_and_fill_up(o[i], 0.0f, 1);
  }

//// and of float over lanes
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_and(o[i]);
//         ^ no matching function for call to 'simd_and'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = simd_and(i);
  }

//// ballot as a number
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    ulong b = simd_ballot(i > 1);
//        ^ no viable conversion from 'simd_vote' to 'ulong'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    ulong b = ulong(simd_ballot(i > 1)); o[i] = b;
  }

//// quad shuffle of bool
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = quad_shuffle(i > 1, 0);
//         ^ no matching function for call to 'quad_shuffle'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = quad_shuffle(i, 0);
  }

//// barrier without flags
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup_barrier();
//  ^ no matching function for call to 'threadgroup_barrier'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup_barrier(mem_flags::mem_none);
  }

//// barrier with a number
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup_barrier(1);
//  ^ no matching function for call to 'threadgroup_barrier'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
  }

//// flag of OpenCL
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_barrier(mem_flags::mem_global);
//                               ^ no member named 'mem_global' in 'metal::mem_flags'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_barrier(mem_flags::mem_device);
  }

//// SIMD-group matrix of 16
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_matrix<float, 16, 16> m;
//                                  ^ simdgroup_matrix is 8x8
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_matrix<float, 8, 8> m(1); simdgroup_store(m, o);
  }

//// SIMD-group matrix of 8 by 4
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_matrix<float, 8, 4> m;
//                                ^ simdgroup_matrix is 8x8
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_matrix<half, 8, 8> m(1);
  }

//// SIMD-group matrix of int
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_matrix<int, 8, 8> m;
//                              ^ simdgroup_matrix is for float, half and bfloat
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_matrix<bfloat, 8, 8> m(bfloat(1));
  }

//// simdgroup_int8x8
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_int8x8 m;
//  ^ unknown type name 'simdgroup_int8x8'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_half8x8 m; m = make_filled_simdgroup_matrix<half, 8, 8>(1);
  }

//// load of another type
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_half8x8 m; simdgroup_load(m, o);
//                       ^ no matching function for call to 'simdgroup_load'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_float8x8 m; simdgroup_load(m, o, 16, ulong2(8, 0), true);
  }

//// load from thread memory
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float a[64]; simdgroup_float8x8 m; simdgroup_load(m, a);
//                                     ^ no matching function for call to 'simdgroup_load'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup float a[64]; simdgroup_float8x8 m; simdgroup_load(m, a);
  }

//// load from constant memory
  kernel void k(constant float* c, uint i [[thread_position_in_grid]]) {
    simdgroup_float8x8 m; simdgroup_load(m, c);
//                        ^ no matching function for call to 'simdgroup_load'
  }
//// ok
  kernel void k(device const float* c, uint i [[thread_position_in_grid]]) {
    simdgroup_float8x8 m; simdgroup_load(m, c);
  }

//// store to const
  kernel void k(device const float* c, uint i [[thread_position_in_grid]]) {
    simdgroup_float8x8 m(1); simdgroup_store(m, c);
//                           ^ no matching function for call to 'simdgroup_store'
  }
//// ok
  kernel void k(threadgroup float* c, uint i [[thread_position_in_grid]]) {
    simdgroup_float8x8 m(1); simdgroup_store(m, c);
  }

//// sum of SIMD-group matrices
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_float8x8 a(1), b(2); a = a + b;
//                                       ^ invalid operands to binary expression ('simdgroup_float8x8' (aka 'simdgroup_matrix<float, 8, 8>') and 'simdgroup_float8x8')
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    simdgroup_float8x8 a(1), b(2), c(3); simdgroup_multiply_accumulate(a, a, b, c); simdgroup_store(a, o);
  }

//// atomic half
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup atomic<half> a;
//                           ^ atomic<T> is for int, uint, bool, float and ulong
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup atomic<uint> a; atomic_store_explicit(&a, 1, memory_order_relaxed);
  }

//// atomic long
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup atomic<long> a;
//                           ^ atomic<T> is for int, uint, bool, float and ulong
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup atomic<int> a; atomic_store_explicit(&a, 1, memory_order_relaxed);
  }

//// order of an operation
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, 1, memory_order_seq_cst);
//  ^ no matching function for call to 'atomic_fetch_add_explicit'
  }
//// ok
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, 1, memory_order_relaxed); atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst);
  }

//// order of a load
  kernel void k(device float* o, device atomic_int* a, uint i [[thread_position_in_grid]]) {
    o[i] = atomic_load_explicit(a, memory_order_seq_cst);
//         ^ no matching function for call to 'atomic_load_explicit'
  }
//// ok
  kernel void k(device float* o, device atomic_int* a, uint i [[thread_position_in_grid]]) {
    o[i] = atomic_load_explicit(a, memory_order_relaxed);
  }

//// order that Metal lacks
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, 1, memory_order_acquire);
//                                  ^ use of undeclared identifier 'memory_order_acquire'; did you mean 'memory_order_relaxed'?
  }
//// ok
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_sub_explicit(a, 1, memory_order_relaxed);
  }

//// operation without an order
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add(a, 1);
//  ^ use of undeclared identifier 'atomic_fetch_add'
  }
//// ok
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_and_explicit(a, 1, memory_order_relaxed);
  }

//// strong comparison
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    int x = 0; atomic_compare_exchange_strong_explicit(a, &x, 1, memory_order_relaxed, memory_order_relaxed);
//             ^ use of undeclared identifier 'atomic_compare_exchange_strong_explicit'; did you mean 'atomic_compare_exchange_weak_explicit'?
  }
//// ok
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    int x = 0; atomic_compare_exchange_weak_explicit(a, &x, 1, memory_order_relaxed, memory_order_relaxed);
  }

//// arithmetic on an atomic
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    *a += 1;
//     ^ no viable overloaded '+='
  }
//// ok
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_or_explicit(a, 1, memory_order_relaxed);
  }

//// plain read of an atomic
  kernel void k(device int* o, device atomic_int* a, uint i [[thread_position_in_grid]]) {
    o[i] = *a;
//         ^ assigning to 'int' from incompatible type 'device atomic_int' (aka 'device atomic<int>')
  }
//// ok
  kernel void k(device int* o, device atomic_int* a, uint i [[thread_position_in_grid]]) {
    o[i] = atomic_exchange_explicit(a, 1, memory_order_relaxed);
  }

//// atomic operation on an int
  kernel void k(device int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, 1, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_fetch_add_explicit'
  }
//// ok
  kernel void k(device int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit((device atomic_int*)a, 1, memory_order_relaxed);
  }

//// atomic in thread memory
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    atomic_int a; atomic_store_explicit(&a, 1, memory_order_relaxed);
//                ^ no matching function for call to 'atomic_store_explicit'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    threadgroup atomic_int a; atomic_store_explicit(&a, 1, memory_order_relaxed);
  }

//// atomic in constant memory
  kernel void k(constant atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_load_explicit(a, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_load_explicit'
  }
//// ok
  kernel void k(threadgroup atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_load_explicit(a, memory_order_relaxed);
  }

//// sum of atomic bool
  kernel void k(device atomic_bool* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, true, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_fetch_add_explicit'
  }
//// ok
  kernel void k(device atomic_bool* a, uint i [[thread_position_in_grid]]) {
    atomic_exchange_explicit(a, true, memory_order_relaxed);
  }

//// and of atomic float
  kernel void k(device atomic_float* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_and_explicit(a, 1, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_fetch_and_explicit'
  }
//// ok
  kernel void k(device atomic_float* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, 1, memory_order_relaxed);
  }

//// maximum of atomic float
  kernel void k(device atomic_float* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_max_explicit(a, 1.0f, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_fetch_max_explicit'
  }
//// ok
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_max_explicit(a, 1, memory_order_relaxed);
  }

//// atomic float in threadgroup memory
  kernel void k(threadgroup atomic_float* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, 1.0f, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_fetch_add_explicit'
  }
//// ok
  kernel void k(threadgroup atomic_uint* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, 1u, memory_order_relaxed);
  }

//// sum of atomic ulong
  kernel void k(device atomic_ulong* a, uint i [[thread_position_in_grid]]) {
    atomic_fetch_add_explicit(a, 1ul, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_fetch_add_explicit'
  }
//// ok
  kernel void k(device atomic_ulong* a, uint i [[thread_position_in_grid]]) {
    atomic_max_explicit(a, 1ul, memory_order_relaxed);
  }

//// atomic ulong in threadgroup memory
  kernel void k(threadgroup atomic_ulong* a, uint i [[thread_position_in_grid]]) {
    atomic_max_explicit(a, 1ul, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_max_explicit'
  }
//// ok
  kernel void k(device atomic_ulong* a, uint i [[thread_position_in_grid]]) {
    atomic_min_explicit(a, 1ul, memory_order_relaxed);
  }

//// expected value in device memory
  kernel void k(device int* o, device atomic_int* a, uint i [[thread_position_in_grid]]) {
    atomic_compare_exchange_weak_explicit(a, o, 1, memory_order_relaxed, memory_order_relaxed);
//  ^ no matching function for call to 'atomic_compare_exchange_weak_explicit'
  }
//// ok
  kernel void k(device atomic_int* a, uint i [[thread_position_in_grid]]) {
    thread int x = 1; atomic_compare_exchange_weak_explicit(a, &x, 2, memory_order_relaxed, memory_order_relaxed);
  }

//// array index type
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    array<float, 2> a = {1, 2}; o[i] = a.at(1);
//                                       ^ no member named 'at' in 'metal::array<float, 2>'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    array<float, 2> a = {1, 2}; o[i] = a[1] + a.size();
  }
