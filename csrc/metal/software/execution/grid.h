// One grid, over as many cores as it is worth.
#pragma once

#include "execution/pipeline.h"

namespace metal_software {

/// Runs all threadgroups of the launch and returns when they are done. Throws what the kernel's execution throws.
void run_grid(const Pipeline& pipeline, const mslc::Launch& launch);

}  // namespace metal_software
