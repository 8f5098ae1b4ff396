// mslc FILE...: compiles files, and lists their kernels or prints their code.
#pragma once

#include "cli/options.h"

namespace mslc::cli {

void compile(ArgumentReader& arguments);

}  // namespace mslc::cli
