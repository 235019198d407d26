// Threads: OpenMP's, of the runtime that torch has started already.
#pragma once

#include <cstdint>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace runstream {

struct Range {
  std::int64_t first;
  std::int64_t last;  // the one after the last
};

// A thread's share of things that are done in any order: ranges of the same length, give or take one.
inline Range share(std::int64_t total, int thread, int num_threads) {
  return {total * thread / num_threads, total * (thread + 1) / num_threads};
}

// Waits for all threads of the region that `in_parallel` has opened.
inline void barrier() {
#if defined(_OPENMP)
#pragma omp barrier
#endif
}

// Calls work(thread, num_threads) once on each thread. The runtime may give fewer threads than are asked for.
template <class Work>
void in_parallel([[maybe_unused]] int num_threads, const Work& work) {
#if defined(_OPENMP)
  if (num_threads > 1) {
#pragma omp parallel num_threads(num_threads)
    work(omp_get_thread_num(), omp_get_num_threads());
    return;
  }
#endif
  work(0, 1);
}

}  // namespace runstream
