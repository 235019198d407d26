// The innermost loops: a few rows by a few panels, whose sums stay in registers.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "vectors.h"

namespace runstream {

// The most rows of a kernel: with their sums it needs most of the registers.
#if defined(RUNSTREAM_AVX512) || defined(RUNSTREAM_AVX2) || defined(__aarch64__)
constexpr int kMaxKernelRows = 6;
#else
constexpr int kMaxKernelRows = 3;
#endif

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
    // One row waits for memory alone, and the processor's own reading ahead is quicker (measured).
    if (ROWS > 1 && --until == 0) {
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

// The kernels of 1 to kMaxKernelRows rows, with as many panels as fit or with one.
template <class Weights, bool IS_WIDE, int... BEFORE>
constexpr std::array<Kernel<Weights>, sizeof...(BEFORE)> kernels_of(std::integer_sequence<int, BEFORE...>) {
  return {add_products<Weights, BEFORE + 1, IS_WIDE ? panels_at_once(BEFORE + 1) : 1>...};
}

template <class Weights, bool IS_WIDE>
constexpr auto kKernels = kernels_of<Weights, IS_WIDE>(std::make_integer_sequence<int, kMaxKernelRows>());

}  // namespace runstream
