#include "float_products.h"

#include <algorithm>

#include "float_kernel.h"
#include "panel_kernel.h"
#include "vector_functions.h"
#include "weights.h"

namespace runstream {

namespace {

constexpr int kBlockRows = 128;  // whose sums a thread keeps between blocks of inputs
constexpr std::int64_t kLine = 64;

// The weights that are read for all rows of a block before the next ones: they stay in the second cache. Few rows read
// them only once.
constexpr std::int64_t kBlockBytes = 256 << 10;
constexpr std::int64_t kStreamBytes = 64 << 10;

alignas(64) thread_local float block_sums[kBlockRows * kBlockOutputs];

// Rows as `add_panel` takes them, and the panels whose sums have room in `block_sums` meanwhile.
alignas(64) thread_local float packed_rows[kPanelSteps * kLanes];
constexpr std::int64_t kPanelsTogether = kBlockRows * kBlockOutputs / (kLanes * kLanes);

inline std::int64_t padded_inputs(const Matrix& matrix) { return (matrix.inputs + 1) / 2 * 2; }

// A thread's rows and panels of a product.
struct Part {
  Range rows;
  Range panels;
};

// Panels are shared first; rows too if there are many and only few panels for each thread.
Part part_of(const Product& product, int thread, int num_threads) {
  const std::int64_t panels = num_panels(*product.matrix);
  int row_parts = 1;
  while (num_threads % (2 * row_parts) == 0 && panels * row_parts < 2 * kBlockPanels * num_threads &&
         product.num_rows >= 4 * kMaxKernelRows * row_parts) {
    row_parts *= 2;
  }
  return {share(product.num_rows, thread % row_parts, row_parts),
          share(panels, thread / row_parts, num_threads / row_parts)};
}

template <class Weights>
class Multiplication {
 public:
  Multiplication(const Product& product, const typename Weights::Row* rows, std::int64_t row_stride, Part part)
      : product_(product), rows_(rows), row_stride_(row_stride), part_(part) {
    steps_ = (product.matrix->inputs + Weights::kInputsPerStep - 1) / Weights::kInputsPerStep;
    panel_size_ = steps_ * kStepWeights;
    const bool is_stream = part.rows.last - part.rows.first <= kMaxKernelRows;
    const std::int64_t most = (is_stream ? kStreamBytes : kBlockBytes) / (kBlockPanels * kStepBytes);
    const std::int64_t num_blocks = (steps_ + most - 1) / most;
    block_steps_ = (steps_ + num_blocks - 1) / num_blocks;  // so that a block brings near what the next one reads
  }

  void run() {
    const std::int64_t num_rows = part_.rows.last - part_.rows.first;
    const auto num_blocks = static_cast<int>((num_rows + kBlockRows - 1) / kBlockRows);
    for (int block = 0; block < num_blocks; ++block) {
      const Range own = share(num_rows, block, num_blocks);
      const Range rows{part_.rows.first + own.first, part_.rows.first + own.last};
      const std::int64_t count = rows.last - rows.first;
      if (count == 1) return multiply_row(rows);
      if (count >= kFewestPanelRows && count <= kMostPanelRows) {
        multiply_by_panels(rows);
        continue;
      }
      for (std::int64_t panel = part_.panels.first; panel < part_.panels.last; panel += kBlockPanels) {
        const Range panels{panel, std::min(panel + kBlockPanels, part_.panels.last)};
        for (std::int64_t step = 0; step < steps_; step += block_steps_) add_block(rows, panels, step);
      }
    }
  }

 private:
  using Weight = typename Weights::Weight;
  static constexpr std::int64_t kStepWeights = kLanes * Weights::kInputsPerStep;
  static constexpr std::int64_t kStepBytes = kStepWeights * static_cast<std::int64_t>(sizeof(Weight));

  const Weight* weights_at(std::int64_t panel, std::int64_t step) const {
    return static_cast<const Weight*>(product_.matrix->panels) + panel * panel_size_ + step * kStepWeights;
  }

  // The weights that the next call of `add_block` reads, or those of this one where there is none.
  const char* next_weights(Range panels, std::int64_t step) const {
    if (step + block_steps_ < steps_) return reinterpret_cast<const char*>(weights_at(panels.first, step + block_steps_));
    const bool is_last = panels.last == part_.panels.last;
    return reinterpret_cast<const char*>(is_last ? weights_at(panels.first, step) : weights_at(panels.last, 0));
  }

  void add_block(Range rows, Range panels, std::int64_t step) {
    const std::int64_t steps = std::min(block_steps_, steps_ - step), num_rows = rows.last - rows.first;
    const std::int64_t groups = (num_rows + kMaxKernelRows - 1) / kMaxKernelRows;
    const char* const next = next_weights(panels, step);
    const bool in_place = sums_in_place(panels), is_last = step + steps == steps_;
    for (std::int64_t group = 0; group < groups; ++group) {
      const Range own = {rows.first + num_rows * group / groups, rows.first + num_rows * (group + 1) / groups};
      const int count = static_cast<int>(own.last - own.first);
      KernelTask<Weights> task;
      task.panel_size = panel_size_;
      task.rows = rows_ + own.first * row_stride_ + step * Weights::kInputsPerStep;
      task.row_stride = row_stride_;
      task.steps = steps;
      task.continues = step > 0;
      task.sums_stride = in_place ? product_.out_stride : kBlockOutputs;
      float* const sums = in_place ? product_.out + own.first * product_.out_stride + panels.first * kLanes
                                   : block_sums + (own.first - rows.first) * kBlockOutputs;
      if (in_place ? step == 0 : is_last) bring_near_outputs(own, panels);
      for (std::int64_t panel = panels.first; panel < panels.last;) {
        const bool is_wide = panels.last - panel >= panels_at_once(count);
        const int num_panels = is_wide ? panels_at_once(count) : 1;
        const int lines = lines_at_once(num_panels, groups);
        const std::int64_t period = std::max<std::int64_t>(1, lines * groups * kLine / kStepBytes);
        const std::int64_t behind = panel - panels.first;
        task.panels = weights_at(panel, step);
        task.sums = sums + behind * kLanes;
        const std::int64_t begin = group * (steps / period) * lines * kLine;
        task.ahead = {next + behind * panel_size_ * static_cast<std::int64_t>(sizeof(Weight)) + begin, lines, period,
                      num_rows >= kManyRows};
        (is_wide ? kKernels<Weights, true> : kKernels<Weights, false>)[count - 2](task);
        panel += num_panels;
      }
      if (is_last && !in_place) finish(own, panels, sums, kBlockOutputs);
    }
  }

  // Asks for the lines that `finish` writes, so that it needn't wait for each of them.
  void bring_near_outputs(Range rows, Range panels) const {
    for (std::int64_t row = rows.first; row < rows.last; ++row) {
      const float* const out = product_.out + row * product_.out_stride;
      for (std::int64_t panel = panels.first; panel < panels.last; ++panel) __builtin_prefetch(out + panel * kLanes, 1, 3);
    }
  }

  void multiply_row(Range row) const {
    std::int64_t panel = part_.panels.first;
    for (; panel + kStreamPanels <= part_.panels.last; panel += kStreamPanels) multiply_row_by<kStreamPanels>(row, panel);
    for (; panel < part_.panels.last; ++panel) multiply_row_by<1>(row, panel);
  }

  // Multiplies as many rows as `add_panel` takes.
  void multiply_by_panels(Range rows) const {
    const int count = static_cast<int>(rows.last - rows.first);
    const auto num_blocks = static_cast<int>((steps_ + kPanelSteps - 1) / kPanelSteps);
    for (std::int64_t panel = part_.panels.first; panel < part_.panels.last; panel += kPanelsTogether) {
      const Range panels{panel, std::min(panel + kPanelsTogether, part_.panels.last)};
      for (int block = 0; block < num_blocks; ++block) {
        const Range steps = share(steps_, block, num_blocks);
        if (num_blocks > 1 || panel == part_.panels.first)
          pack_rows<Weights>(rows_ + rows.first * row_stride_ + steps.first * Weights::kInputsPerStep, row_stride_, count,
                             steps.last - steps.first, packed_rows);
        add_panels(rows, panels, steps);
      }
    }
  }

  // Adds some steps' products, and writes the outputs behind the last one.
  void add_panels(Range rows, Range panels, Range steps) const {
    const auto kernel = panel_kernel_of<Weights>(static_cast<int>(rows.last - rows.first));
    const bool is_last = steps.last == steps_;
    PanelTask<Weights> task;
    task.packed = reinterpret_cast<const typename Weights::Row*>(packed_rows);
    task.steps = steps.last - steps.first;
    task.continues = steps.first > 0;
    for (std::int64_t panel = panels.first; panel < panels.last; ++panel) {
      const Range own{panel, panel + 1};
      task.panel = weights_at(panel, steps.first);
      task.next = own.last < panels.last         ? weights_at(own.last, steps.first)
                  : !is_last                     ? weights_at(panels.first, steps.last)
                  : own.last < part_.panels.last ? weights_at(own.last, 0)
                                                 : task.panel;
      task.sums = block_sums + (panel - panels.first) * kLanes * kLanes;
      if (is_last) bring_near_outputs(rows, own);
      kernel(task);
      if (is_last) finish(rows, own, task.sums, kLanes);
    }
  }

  template <int PANELS>
  void multiply_row_by(Range row, std::int64_t panel) const {
    alignas(kLine) float sums[PANELS * kLanes];
    const Range panels{panel, panel + PANELS};
    const bool is_last = panels.last + PANELS > part_.panels.last;
    stream_products<Weights, PANELS>({weights_at(panel, 0), panel_size_, rows_ + row.first * row_stride_, steps_,
                                      weights_at(is_last ? panel : panels.last, 0), sums});
    finish(row, panels, sums, 0);
  }

  // Whether sums can be kept where outputs are: nothing is added to them, and no panel has more than there are.
  bool sums_in_place(Range panels) const {
    return product_.matrix->bias == nullptr && product_.residual == nullptr &&
           panels.last * kLanes <= product_.matrix->outputs;
  }

  // Adds bias and residual to a block's sums, and writes the outputs.
  void finish(Range rows, Range panels, const float* sums, std::int64_t stride) const {
    const float* const bias = product_.matrix->bias;
    for (std::int64_t row = rows.first; row < rows.last; ++row, sums += stride) {
      for (std::int64_t panel = panels.first; panel < panels.last; ++panel) {
        const std::int64_t output = panel * kLanes, place = row * product_.out_stride + output;
        const std::int64_t count = product_.matrix->outputs - output;
        Floats sum = load(sums + (panel - panels.first) * kLanes);
        if (bias != nullptr) sum = add(sum, load(bias + output));
        if (product_.residual != nullptr) sum = add(sum, load_some(product_.residual + place, count));
        store_some(product_.out + place, sum, count);
      }
    }
  }

  const Product& product_;
  const typename Weights::Row* rows_;
  std::int64_t row_stride_;
  Part part_;
  std::int64_t steps_, panel_size_, block_steps_;
};

template <class Weights>
void multiply_by(const Product& product, Part part) {
  Multiplication<Weights>(product, product.rows, product.row_stride, part).run();
}

}  // namespace

std::int64_t prepared_float_bytes(const Matrix& matrix, std::int64_t num_rows) {
  if (matrix.format != Format::bfloat16_dot) return 0;
  return num_rows * padded_inputs(matrix) * static_cast<std::int64_t>(sizeof(std::uint16_t));
}

void prepare_floats(const Matrix& matrix, const float* rows, std::int64_t row_stride, Range range, void* prepared) {
  if (matrix.format != Format::bfloat16_dot) return;
  const std::int64_t width = padded_inputs(matrix);
  for (std::int64_t row = range.first; row < range.last; ++row) {
    auto* const to = static_cast<std::uint16_t*>(prepared) + row * width;
    round_to_bfloat16(rows + row * row_stride, matrix.inputs, to);
    if (width > matrix.inputs) to[matrix.inputs] = 0;
  }
}

void multiply_floats(const Product& product, int thread, int num_threads) {
  const Part part = part_of(product, thread, num_threads);
  switch (product.matrix->format) {
    case Format::float32: return multiply_by<Float32Weights>(product, part);
    case Format::float16: return multiply_by<Float16Weights>(product, part);
    case Format::bfloat16: return multiply_by<BFloat16Weights>(product, part);
    case Format::bfloat16_dot:
#if defined(RUNSTREAM_BFLOAT16_DOT)
      return Multiplication<BFloat16Pairs>(product, static_cast<const std::uint16_t*>(product.prepared),
                                           padded_inputs(*product.matrix), part)
          .run();
#endif
      return;
    case Format::codes_float32:
    case Format::codes_int16:
    case Format::codes_int8: return;  // codes_products.h
  }
}

}  // namespace runstream
