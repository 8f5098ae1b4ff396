# Toolchain: macOS 14 on Apple silicon from Linux. zig's clang compiles, LLVM's ld64.lld links; the SDK that
# tools/macos/sdk.py makes holds headers, libraries and clang's configuration.
# Needs -DZIG=<folder of zig> -DMACOS_SDK=<folder of the SDK>.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR arm64)
set(CMAKE_OSX_SYSROOT ${MACOS_SDK} CACHE PATH "Headers and libraries of macOS")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZIG MACOS_SDK)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
# CMake drops @rpath where it finds no sw_vers, taking this machine for a Mac of 2006.
set(CMAKE_SHARED_LIBRARY_RUNTIME_CXX_FLAG "-Wl,-rpath,")

# `zig clang` is clang itself; `zig c++` would add flags and a cache of its own.
set(CMAKE_C_COMPILER ${ZIG}/zig clang --config=${MACOS_SDK}/clang.cfg)
set(CMAKE_CXX_COMPILER ${ZIG}/zig clang --config=${MACOS_SDK}/clang.cfg --driver-mode=g++)
find_program(CMAKE_AR NAMES llvm-ar-19 REQUIRED)
find_program(CMAKE_RANLIB NAMES llvm-ranlib-19 REQUIRED)
find_program(CMAKE_INSTALL_NAME_TOOL NAMES llvm-install-name-tool-19 REQUIRED)

# Messages name files without the folders of this machine: equal sources give equal bytes.
set(CMAKE_CXX_FLAGS_INIT -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
