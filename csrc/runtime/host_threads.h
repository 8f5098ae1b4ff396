// How many of PyTorch's threads its CPU library uses.
#pragma once

namespace torch_metal {

/// From now on OpenMP and MKL use `count` threads when called from this thread, as after at::set_num_threads, which would
/// tell all threads that start later too. Does nothing where PyTorch is built without OpenMP.
void use_threads(int count);

}  // namespace torch_metal
