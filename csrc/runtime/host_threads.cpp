// Lends PyTorch's intra-operator threads to the device, so that one pool works on the cores and not two.
// at::parallel_for is serial where OpenMP is not compiled in: there the device keeps to threads of its own.
#include <ATen/Parallel.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "metal/host_threads.h"

namespace torch_metal {

namespace {

int thread_count() { return at::get_num_threads(); }

void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  at::parallel_for(0, count, grain, body);
}

#ifdef _OPENMP
// torch.set_num_threads() is about the thread that calls it, and those that start later.
const bool lent = (set_host_threads({&thread_count, &parallel_for, &omp_set_num_threads}), true);
#endif

}  // namespace

}  // namespace torch_metal
