// The few declarations of CoreFoundation that metal-cpp's headers use. On a Mac the system's own header is used.
#pragma once

#include <Availability.h>
#include <TargetConditionals.h>
#include <stdint.h>
#include <sys/types.h>

typedef double CFTimeInterval;
typedef const struct __CFString* CFStringRef;
