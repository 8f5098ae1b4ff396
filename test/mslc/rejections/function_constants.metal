// Constants that a pipeline gives a value.

//// initializer
  constant bool use [[function_constant(0)]] = true;
//              ^ a function constant cannot have an initializer
//// ok
  constant bool use [[function_constant(0)]];
  constant bool used = is_function_constant_defined(use) ? use : true;

//// outside the constant address space
  bool use [[function_constant(0)]];
//     ^ a function constant must be at program scope, in the constant address space
//// ok
  static constant bool use [[function_constant(0)]];

//// in a function
  void f() {
    constant bool use [[function_constant(0)]];
//                ^ a function constant must be at program scope, in the constant address space
  }
//// ok
  namespace n {
  constant bool use [[function_constant(0)]];
  }

//// structure
  struct S { int a; };
  constant S s [[function_constant(0)]];
//           ^ a function constant must be a scalar or a vector, not 'S'
//// ok
  constant int4 s [[function_constant(0)]];

//// matrix
  constant float2x2 m [[function_constant(0)]];
//                  ^ a function constant must be a scalar or a vector, not 'metal::matrix<float, 2, 2>'
//// ok
  constant half2 m [[function_constant(0)]];

//// array
  constant int a[2] [[function_constant(0)]];
//             ^ default initialization of an object of const type 'constant int[2]'
//// ok
  constant bool a [[function_constant(65535)]];

//// index out of range
  constant int x [[function_constant(65536)]];
//             ^ 'function_constant' needs an index from 0 to 65535
//// ok
  constant int x [[function_constant(2 + 3)]];

//// negative index
  constant int x [[function_constant(-1)]];
//             ^ 'function_constant' needs an index from 0 to 65535
//// ok
  constant int x [[function_constant(0)]];

//// write
  constant int mode [[function_constant(0)]];
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    mode = 1;
//       ^ cannot assign to variable 'mode' with const-qualified type 'const int'
  }
//// ok
  constant int mode [[function_constant(0)]];
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = mode;
  }

//// length of an array
  constant int n [[function_constant(0)]];
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float a[n]; a[0] = 1; o[i] = a[0];
//        ^ the length of an array must be a constant
  }
//// ok
  constant int n [[function_constant(0)]];
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    float a[8]; a[n & 7] = 1; o[i] = a[0];
  }

//// query of another variable
  constant int x = 1;
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = is_function_constant_defined(x);
//                                      ^ 'x' is not a function constant
  }
//// ok
  constant int x [[function_constant(0)]];
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    o[i] = is_function_constant_defined(x);
  }

//// condition of an argument that is no bool
  constant int use [[function_constant(0)]];
  kernel void k(device float* o [[buffer(0), function_constant(use)]]) {}
//                            ^ attribute 'function_constant' on a parameter needs a function constant of type bool
//// ok
  constant bool use [[function_constant(0)]];
  kernel void k(device float* o [[buffer(0), function_constant(use)]], device int* p [[function_constant(use), buffer(1)]]) {}

//// condition of an argument that is not declared
  kernel void k(device float* o [[buffer(0), function_constant(use)]]) {}
//                              ^ use of undeclared identifier 'use'
//// ok
  constant int mode [[function_constant(0)]];
  constant bool use = mode == 1;
  kernel void k(device float* o [[buffer(0), function_constant(use)]]) {}
