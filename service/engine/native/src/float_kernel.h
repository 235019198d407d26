// The innermost loops: a few rows by a few panels, whose sums stay in registers.
#pragma once

#include <cstdint>

#include "vectors.h"

namespace runstream {

constexpr int kMaxKernelRows = 6;
constexpr int kBlockPanels = 4;  // whose weights are read side by side
constexpr int kBlockOutputs = kBlockPanels * kLanes;

// From how many rows on weights come by way of the first cache: fewer rows want lines so often that it is in the way.
// Measured on Zen 4, for either width of vectors.
#if defined(RUNSTREAM_AVX512)
constexpr int kManyRows = 10;
#else
constexpr int kManyRows = 20;
#endif

// The panels of a kernel, so many that its sums fit into the registers.
constexpr int panels_at_once(int rows) {
#if defined(RUNSTREAM_AVX512)
  return rows > 0 ? kBlockPanels : 0;
#else
  return rows == 1 ? 4 : rows == 2 ? 2 : 1;
#endif
}

// Weights that are read later, brought nearer a line of each panel at a time.
struct Ahead {
  const char* at;
  std::int64_t period;    // the steps from one line to the next
  bool is_through_first;  // by way of the first cache
};

template <class Weights>
struct KernelTask {
  const typename Weights::Weight* panels;
  std::int64_t panel_size;  // in weights
  const typename Weights::Row* rows;
  std::int64_t row_stride;
  std::int64_t steps;
  float* sums;  // [rows][kBlockOutputs]
  bool continues;  // what is in `sums`; else they begin at 0
  Ahead ahead;
};

// Adds the products of ROWS rows with PANELS panels to their sums, input by input.
template <class Weights, int ROWS, int PANELS>
void add_products(const KernelTask<Weights>& task) {
  Floats sums[ROWS][PANELS];
#pragma GCC unroll 8
  for (int row = 0; row < ROWS; ++row) {
#pragma GCC unroll 4
    for (int panel = 0; panel < PANELS; ++panel) {
      sums[row][panel] = task.continues ? load(task.sums + row * kBlockOutputs + panel * kLanes) : zeros();
    }
  }
  const auto* weights = task.panels;
  const auto* rows = task.rows;
  const std::int64_t size = task.panel_size, stride = task.row_stride, period = task.ahead.period;
  const auto panel_bytes = static_cast<std::int64_t>(size * sizeof(typename Weights::Weight));
  const char* ahead = task.ahead.at;
  std::int64_t until = 1;
  for (std::int64_t step = 0; step < task.steps; ++step) {
    if (--until == 0) {
#pragma GCC unroll 4
      for (int panel = 0; panel < PANELS; ++panel) {
        if (task.ahead.is_through_first) {
          __builtin_prefetch(ahead + panel * panel_bytes, 0, 3);
        } else {
          __builtin_prefetch(ahead + panel * panel_bytes, 0, 1);
        }
      }
      ahead += 64;
      until = period;
    }
    typename Weights::Loaded loaded[PANELS];
#pragma GCC unroll 4
    for (int panel = 0; panel < PANELS; ++panel) loaded[panel] = Weights::read(weights + panel * size);
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) {
      const auto input = Weights::spread(rows + row * stride);
#pragma GCC unroll 4
      for (int panel = 0; panel < PANELS; ++panel) {
        sums[row][panel] = Weights::add_product(sums[row][panel], loaded[panel], input);
      }
    }
    weights += kLanes * Weights::kInputsPerStep;
    rows += Weights::kInputsPerStep;
  }
#pragma GCC unroll 8
  for (int row = 0; row < ROWS; ++row) {
#pragma GCC unroll 4
    for (int panel = 0; panel < PANELS; ++panel) {
      store(task.sums + row * kBlockOutputs + panel * kLanes, sums[row][panel]);
    }
  }
}

template <class Weights>
using Kernel = void (*)(const KernelTask<Weights>&);

// The kernels of 1 to 6 rows, with as many panels as fit or with one.
template <class Weights, bool IS_WIDE>
constexpr Kernel<Weights> kKernels[kMaxKernelRows] = {
    add_products<Weights, 1, IS_WIDE ? panels_at_once(1) : 1>, add_products<Weights, 2, IS_WIDE ? panels_at_once(2) : 1>,
    add_products<Weights, 3, IS_WIDE ? panels_at_once(3) : 1>, add_products<Weights, 4, IS_WIDE ? panels_at_once(4) : 1>,
    add_products<Weights, 5, IS_WIDE ? panels_at_once(5) : 1>, add_products<Weights, 6, IS_WIDE ? panels_at_once(6) : 1>,
};

}  // namespace runstream
