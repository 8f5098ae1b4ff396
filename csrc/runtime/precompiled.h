// Precompiled for the whole extension: torch's headers cost 10 s in every file without it.
#pragma once
#include <ATen/ATen.h>
#include <ATen/native/DispatchStub.h>
#include <ATen/native/TensorIterator.h>
#include <torch/library.h>

#include <Metal/Metal.hpp>
