// Metal's compute API as metal-cpp presents it: same names and signatures, executed on the CPU.
// What is declared here works; what the software device cannot do is not declared.
#pragma once

#include "Metal/MTLAllocation.hpp"
#include "Metal/MTLArgument.hpp"
#include "Metal/MTLBlitCommandEncoder.hpp"
#include "Metal/MTLBuffer.hpp"
#include "Metal/MTLCommandBuffer.hpp"
#include "Metal/MTLCommandEncoder.hpp"
#include "Metal/MTLCommandQueue.hpp"
#include "Metal/MTLComputeCommandEncoder.hpp"
#include "Metal/MTLComputePass.hpp"
#include "Metal/MTLComputePipeline.hpp"
#include "Metal/MTLDataType.hpp"
#include "Metal/MTLDevice.hpp"
#include "Metal/MTLEvent.hpp"
#include "Metal/MTLFence.hpp"
#include "Metal/MTLFunctionConstantValues.hpp"
#include "Metal/MTLFunctionDescriptor.hpp"
#include "Metal/MTLGPUAddress.hpp"
#include "Metal/MTLLibrary.hpp"
#include "Metal/MTLResource.hpp"
#include "Metal/MTLTypes.hpp"
