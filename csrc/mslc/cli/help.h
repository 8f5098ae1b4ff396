// What `mslc --help` and `mslc run --help` print. docs/mslc.md says more.
#pragma once

namespace mslc::cli {

inline constexpr char kHelp[] =
    R"(Usage: mslc [OPTIONS] FILE.metal...           compile, and list kernels with their arguments
       mslc --emit=FORM [OPTIONS] FILE.metal  print what the compiler makes of a kernel
       mslc run FILE.metal --grid X NAME=VALUE...
                                              run a kernel; see 'mslc run --help'

Compiles kernels written in the Metal Shading Language for this computer's CPU.

Source
  -I DIR                 also search DIR for included files
  -D NAME[=VALUE]        define a macro (VALUE is 1 if not given)
  --constant NAME=VALUE  give a function constant its value; its index will do for NAME
  --fast-math            reorder arithmetic for speed, as MTLMathModeFast does (or -ffast-math)
  --validate             make code that checks its memory accesses and barriers; 'mslc run' reports what it finds
  --cpu NAME             make code for LLVM's CPU NAME, such as x86-64-v3, instead of this one
  --target TRIPLE        make code for another machine, such as aarch64-linux-gnu

Output
  --emit=FORM            instead of the list, print
                           ir         a SIMD-group's LLVM IR: 32 lanes in vectors, optimised
                           ir-thread  one thread's LLVM IR, before it is vectorised
                           asm        assembly
                           obj        an ELF object
  --emit-llvm            instead of the list, print the front end's LLVM IR of the whole file
  --kernel NAME          with --emit: this kernel alone (all, if not given)
  -o FILE                write to FILE instead of the terminal

Other
  --clear-cache          remove what earlier compilations left on disk
  --version              print the compiler's version and target
  --help                 print this text

Exit status: 0 if all files compile, 1 if one does not, 2 for wrong usage.
)";

inline constexpr char kRunHelp[] =
    R"(Usage: mslc run FILE.metal --grid X[,Y[,Z]] [OPTIONS] NAME=VALUE...

Compiles a kernel and runs it on this computer's CPU. Each of the kernel's arguments is given as NAME=VALUE, by its name
in the source or the index of its buffer; its type is taken from the source. VALUE is one of

  FILE.npy               the array in a file of NumPy's
  5   0.25   1,2,3       numbers
  zeros:SHAPE            an array of that many elements, such as zeros:1024 or zeros:64,64
  ones:SHAPE  arange:SHAPE  random:SHAPE
                         likewise; arange counts 0, 1, 2, ... and random is uniform in [0, 1)
  4096                   for a threadgroup argument: its size in bytes

  --grid X[,Y[,Z]]         threads
  --threadgroup X[,Y[,Z]]  threads of a threadgroup (min(X, 256) if not given)
  --kernel NAME            which kernel (not needed if there is but one)
  --save NAME=FILE.npy     write an argument to a file afterwards; others that the kernel may change are printed
  --time N                 then run it N times more, and print how long that took
  --threads N              use N of the CPU's threads (1 if not given)
  -I, -D, --constant, --fast-math, --validate, --cpu
                           as for compiling; see 'mslc --help'

Example: mslc run scale.metal --grid 1024 x=x.npy by=2.5 --save x=scaled.npy

Exit status: 0, or 1 if the source does not compile, 2 for wrong usage or input, 3 if the kernel crashes,
4 if --validate finds faults.
)";

}  // namespace mslc::cli
