// Messages of os_log.

//// format that is no literal
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    constant char* format = "%d"; os_log_default.log(format, i);
//                                                   ^ the format of a message must be a string literal
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%u", i);
  }

//// too few arguments
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%u %u", i);
//                 ^ the format asks for 2 arguments, not 1
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%u %%", i);
  }

//// float as an integer
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%d", o[i]);
//                           ^ '%d' is not for an argument of type 'float'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%f %d", o[i], int(o[i]));
  }

//// long as an int
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%d", long(i));
//                           ^ '%d' is not for an argument of type 'long'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%ld", long(i));
  }

//// vector as a scalar
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%f", float2(i));
//                           ^ '%f' is not for an argument of type 'float2'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%v2f", float2(i));
  }

//// vector of another length
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%v3f", float2(i));
//                             ^ '%v3f' is not for an argument of type 'float2'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%v3f", float3(i));
  }

//// string
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%s", "text");
//                     ^ format '%s' is not known
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("text");
  }

//// vector of five
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%v5f", float4(i));
//                     ^ format '%v5' needs 2, 3 or 4 after 'v'
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%v4f", float4(i));
  }

//// width of an argument
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%*d", 3, i);
//                     ^ format '%*' is not known
  }
//// ok
  kernel void k(device float* o, uint i [[thread_position_in_grid]]) {
    os_log_default.log("%3d", i);
  }
