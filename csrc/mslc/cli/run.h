// mslc run: runs a kernel on files and numbers.
#pragma once

#include "cli/options.h"

namespace mslc::cli {

void run(ArgumentReader& arguments);

}  // namespace mslc::cli
