// Lends PyTorch's intra-operator threads to the device, so that one pool works on the cores and not two.
// at::parallel_for is serial where OpenMP is not compiled in: there the device keeps to threads of its own.
#include <ATen/Parallel.h>

#include "metal/host_threads.h"

#ifdef _OPENMP
#include <omp.h>

// PyTorch's library has it where it is built with MKL, whose header gives it a name in lower case.
extern "C" int MKL_Set_Num_Threads_Local(int count) __attribute__((weak));
#endif

namespace torch_metal {

namespace {

int thread_count() { return at::get_num_threads(); }

void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  at::parallel_for(0, count, grain, body);
}

#ifdef _OPENMP
// As at::set_num_threads does, which would tell all threads that start later too.
void set_thread_count(int count) {
  if (thread_count() == count) return;
  omp_set_num_threads(count);
  if (MKL_Set_Num_Threads_Local) MKL_Set_Num_Threads_Local(count);
}

const bool lent = (set_host_threads({&thread_count, &parallel_for, &set_thread_count}), true);
#endif

}  // namespace

}  // namespace torch_metal
