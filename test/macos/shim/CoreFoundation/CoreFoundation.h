#pragma once
#include <math.h>
#include <stddef.h>
typedef double CFTimeInterval;
