// The innermost loop of more rows than those of float_kernel.h, by one panel: each weight is read once, as it comes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "transpose.h"
#include "vector_functions.h"

namespace runstream {

// Whose sums have room in the registers beside a weight. Fewer rows wait for memory, which one stream reads too slowly.
#if defined(RUNSTREAM_AVX512)
constexpr int kFewestPanelRows = 12;
constexpr int kMostPanelRows = 16;
#else
constexpr int kFewestPanelRows = 1;
constexpr int kMostPanelRows = 0;
#endif

constexpr std::int64_t kPanelSteps = 1024;     // of which rows are packed at a time
constexpr std::int64_t kPanelAhead = 8 << 10;  // the bytes that weights are asked for ahead; 6 to 12 KiB are alike on Zen 4

// Lays rows out so that each step's inputs are side by side, [steps][16], with zeros for rows that there are not.
//
// As they lie, rows of a few KiB are all in the same sets of the first cache.
template <class Weights>
void pack_rows(const typename Weights::Row* rows, std::int64_t stride, int count, std::int64_t steps, float* packed) {
  static_assert(sizeof(typename Weights::Row) * Weights::kInputsPerStep == sizeof(float));
  for (std::int64_t step = 0; step < steps; step += kLanes) {
    Floats block[kLanes];
    for (int row = 0; row < kLanes; ++row) {
      if (row >= count) {
        block[row] = zeros();
        continue;
      }
      const auto* from = rows + row * stride + step * Weights::kInputsPerStep;
      block[row] = load_some(reinterpret_cast<const float*>(from), steps - step);
    }
    transpose(block);
    for (int i = 0; i < kLanes; ++i) store(packed + (step + i) * kLanes, block[i]);
  }
}

template <class Weights>
struct PanelTask {
  const typename Weights::Weight* panel;
  const typename Weights::Row* packed;  // [steps][16] times a step's inputs
  std::int64_t steps;
  const void* next;  // the weights that are read after these
  float* sums;       // [rows][16]
  bool continues;    // what is in `sums`; else they begin at 0
};

// Adds the products of ROWS rows to their sums, input by input in the same order as `add_products`.
template <class Weights, int ROWS>
void add_panel(const PanelTask<Weights>& task) {
  using Weight = typename Weights::Weight;
  constexpr std::int64_t kStepWeights = kLanes * Weights::kInputsPerStep;
  constexpr std::int64_t kStepBytes = kStepWeights * static_cast<std::int64_t>(sizeof(Weight));
  constexpr std::int64_t kStepsAhead = kPanelAhead / kStepBytes, kStepsOfLine = 64 / kStepBytes;
  Floats sums[ROWS];
#pragma GCC unroll 16
  for (int row = 0; row < ROWS; ++row) sums[row] = task.continues ? load(task.sums + row * kLanes) : zeros();
  const Weight* weights = task.panel;
  const auto* rows = task.packed;
  const std::int64_t own_steps = std::max<std::int64_t>(task.steps - kStepsAhead, 0);
  const auto add_steps = [&](std::int64_t count, const Weight* ahead) __attribute__((always_inline)) {
    for (std::int64_t step = 0; step < count; ++step) {
      if (step % kStepsOfLine == 0) __builtin_prefetch(ahead, 0, 2);
      const auto loaded = Weights::read(weights);
#pragma GCC unroll 16
      for (int row = 0; row < ROWS; ++row)
        sums[row] = Weights::add_product(sums[row], loaded, Weights::spread(rows + row * Weights::kInputsPerStep));
      weights += kStepWeights, ahead += kStepWeights, rows += kLanes * Weights::kInputsPerStep;
    }
  };
  add_steps(own_steps, weights + kStepsAhead * kStepWeights);
  add_steps(task.steps - own_steps, static_cast<const Weight*>(task.next));
#pragma GCC unroll 16
  for (int row = 0; row < ROWS; ++row) store(task.sums + row * kLanes, sums[row]);
}

// The kernel of a number of rows, from kFewestPanelRows to kMostPanelRows.
template <class Weights, int ROWS = kFewestPanelRows>
auto panel_kernel_of(int rows) -> void (*)(const PanelTask<Weights>&) {
  if constexpr (ROWS < kMostPanelRows) {
    if (rows > ROWS) return panel_kernel_of<Weights, ROWS + 1>(rows);
  }
  return add_panel<Weights, ROWS>;
}

}  // namespace runstream
