// The innermost loops: a few rows by a few panels, whose sums stay in registers.
#pragma once

#include <algorithm>
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
  return rows == 2 ? 2 : 1;
#endif
}

// The steps of a kernel between two branches. Threads of one core share the instructions that it takes up in a cycle, so
// those of a loop cost products where vectors are short.
#if defined(RUNSTREAM_AVX512)
constexpr int kUnrolledSteps = 1;
#else
constexpr int kUnrolledSteps = 4;
#endif

// The lines of each panel that are asked for at once, so that there are steps to unroll until the next ones. One pass over
// weights waits for memory, which serves few lines better than many at once.
constexpr int lines_at_once(int panels, std::int64_t passes) {
  return std::max(1, (passes == 1 ? kBlockPanels / 2 : kBlockPanels) / panels);
}

// Weights that are read later, brought nearer some lines of each panel at a time.
struct Ahead {
  const char* at;
  int lines;              // at once, 1 of kBlockPanels
  std::int64_t period;    // the steps until the next ones
  bool is_through_first;  // by way of the first cache
};

template <class Weights>
struct KernelTask {
  const typename Weights::Weight* panels;
  std::int64_t panel_size;  // in weights
  const typename Weights::Row* rows;
  std::int64_t row_stride;
  std::int64_t steps;
  float* sums;  // [rows][sums_stride]
  std::int64_t sums_stride;
  bool continues;  // what is in `sums`; else they begin at 0
  Ahead ahead;
};

// Asks for a line of each panel.
template <class Weights, int PANELS>
inline void bring_near(const KernelTask<Weights>& task, const char* at) {
  const auto panel_bytes = task.panel_size * static_cast<std::int64_t>(sizeof(typename Weights::Weight));
#pragma GCC unroll 4
  for (int panel = 0; panel < PANELS; ++panel) {
    if (task.ahead.is_through_first) {
      __builtin_prefetch(at + panel * panel_bytes, 0, 3);
    } else {
      __builtin_prefetch(at + panel * panel_bytes, 0, 1);
    }
  }
}

// Adds the products of ROWS rows with PANELS panels to their sums, input by input.
template <class Weights, int ROWS, int PANELS>
void add_products(const KernelTask<Weights>& task) {
  Floats sums[ROWS][PANELS];
#pragma GCC unroll 8
  for (int row = 0; row < ROWS; ++row) {
#pragma GCC unroll 4
    for (int panel = 0; panel < PANELS; ++panel) {
      const float* const from = task.sums + row * task.sums_stride + panel * kLanes;
      sums[row][panel] = task.continues ? Weights::as_read(load(from)) : zeros();
    }
  }
  const auto* weights = task.panels;
  const auto* rows = task.rows;
  const std::int64_t size = task.panel_size, stride = task.row_stride;
  const char* ahead = task.ahead.at;
  // A loop of its own between lines that are asked for: with them in it, addresses have no room in the registers.
  for (std::int64_t left = task.steps; left > 0; left -= task.ahead.period) {
    const int lines = PANELS == kBlockPanels ? 1 : task.ahead.lines;
    for (int line = 0; line < lines; ++line, ahead += 64) bring_near<Weights, PANELS>(task, ahead);
#pragma GCC unroll kUnrolledSteps
    for (std::int64_t count = std::min(left, task.ahead.period); count > 0; --count) {
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
  }
#pragma GCC unroll 8
  for (int row = 0; row < ROWS; ++row) {
#pragma GCC unroll 4
    for (int panel = 0; panel < PANELS; ++panel) {
      store(task.sums + row * task.sums_stride + panel * kLanes, Weights::in_order(sums[row][panel]));
    }
  }
}

// The panels that one row is multiplied by at once, each read as a stream of its own.
#if defined(RUNSTREAM_AVX512)
constexpr int kStreamPanels = 8;
#else
constexpr int kStreamPanels = 4;
#endif

// How far ahead a stream is asked for. One row waits for memory alone: measured on Zen 4, eight streams that are asked for
// 1 to 2 KiB ahead, and for their successors' beginnings at their ends, are read as fast as memory is at all.
constexpr std::int64_t kStreamAhead = 1024;

template <class Weights>
struct StreamTask {
  const typename Weights::Weight* panels;
  std::int64_t panel_size;  // in weights
  const typename Weights::Row* row;
  std::int64_t steps;
  const void* next;  // the panels that are read after these
  float* sums;       // [panels][kLanes]
};

// Multiplies one row by PANELS panels, input by input in the same order as `add_products`.
template <class Weights, int PANELS>
void stream_products(const StreamTask<Weights>& task) {
  using Weight = typename Weights::Weight;
  constexpr std::int64_t kStepWeights = kLanes * Weights::kInputsPerStep;
  constexpr std::int64_t kStepBytes = kStepWeights * static_cast<std::int64_t>(sizeof(Weight));
  constexpr std::int64_t kStepsAhead = kStreamAhead / kStepBytes, kStepsOfLine = 64 / kStepBytes;
  Floats sums[PANELS];
#pragma GCC unroll 8
  for (Floats& sum : sums) sum = zeros();
  const Weight* weights = task.panels;
  const auto* row = task.row;
  const std::int64_t size = task.panel_size, own_steps = std::max<std::int64_t>(task.steps - kStepsAhead, 0);
  const auto add_steps = [&](std::int64_t count, const Weight* ahead) {
    for (std::int64_t step = 0; step < count; ++step) {
      const auto input = Weights::spread(row);
#pragma GCC unroll 8
      for (int panel = 0; panel < PANELS; ++panel) {
        if (step % kStepsOfLine == 0) __builtin_prefetch(ahead + panel * size, 0, 2);
        sums[panel] = Weights::add_product(sums[panel], Weights::read(weights + panel * size), input);
      }
      weights += kStepWeights, ahead += kStepWeights, row += Weights::kInputsPerStep;
    }
  };
  add_steps(own_steps, weights + kStepsAhead * kStepWeights);
  add_steps(task.steps - own_steps, static_cast<const Weight*>(task.next));
#pragma GCC unroll 8
  for (int panel = 0; panel < PANELS; ++panel) store(task.sums + panel * kLanes, Weights::in_order(sums[panel]));
}

template <class Weights>
using Kernel = void (*)(const KernelTask<Weights>&);

// The kernels of 2 to kMaxKernelRows rows, with as many panels as fit or with one.
template <class Weights, bool IS_WIDE, int... BEFORE>
constexpr std::array<Kernel<Weights>, sizeof...(BEFORE)> kernels_of(std::integer_sequence<int, BEFORE...>) {
  return {add_products<Weights, BEFORE + 2, IS_WIDE ? panels_at_once(BEFORE + 2) : 1>...};
}

template <class Weights, bool IS_WIDE>
constexpr auto kKernels = kernels_of<Weights, IS_WIDE>(std::make_integer_sequence<int, kMaxKernelRows - 1>());

}  // namespace runstream
