#include "codes_products.h"

#include <algorithm>
#include <utility>

#include "codes_kernel.h"
#include "codes_many_rows.h"

namespace runstream {

namespace {

// Codes that stay in the second cache while all rows are multiplied by them.
constexpr std::int64_t kBlockBytes = 128 << 10;

template <class Arithmetic>
constexpr int kMaxRows = std::min(8, Arithmetic::kMaxSums);

// So many that there are sums enough which don't wait for each other, and no more than registers.
template <class Arithmetic, int BITS>
constexpr int panels_at_once(int rows) {
#if defined(RUNSTREAM_AVX512)
  if (rows == 1 && BITS == 8 && Arithmetic::kSteps == 1) return kStreamPanels;
#endif
  return rows == 1 ? 4 : rows * 2 <= Arithmetic::kMaxSums ? 2 : 1;
}

// Adds bias and residual, and writes what there is of a panel.
void write_outputs(const Product& product, std::int64_t row, std::int64_t panel, Floats sums) {
  const std::int64_t first = panel * kLanes, place = row * product.out_stride + first;
  const std::int64_t count = std::min<std::int64_t>(kLanes, product.matrix->outputs - first);
  if (product.matrix->bias != nullptr) sums = add(sums, load(product.matrix->bias + first));
  if (count == kLanes) {
    if (product.residual != nullptr) sums = add(sums, load(product.residual + place));
    store(product.out + place, sums);
    return;
  }
  float lanes[kLanes];
  store(lanes, sums);
  if (product.residual != nullptr) {
    for (std::int64_t i = 0; i < count; ++i) lanes[i] += product.residual[place + i];
  }
  std::copy(lanes, lanes + count, product.out + place);
}

template <class Arithmetic, int BITS, int ROWS, int PANELS>
void multiply_and_write(const Product& product, const CodesLayout& layout, std::int64_t row, std::int64_t panel) {
  Floats totals[ROWS][PANELS];
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < PANELS; ++p) totals[r][p] = zeros();
  }
  // Codes of 4 bits hardly ever have one scale for an output: no kernel is compiled for that.
  if (BITS == 8 && layout.groups == 1 && product.matrix->zero_type == ZeroType::centre) {
    multiply_tile<Arithmetic, BITS, BITS == 8>(product, layout, row, panel, totals);
  } else {
    multiply_tile<Arithmetic, BITS, false>(product, layout, row, panel, totals);
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < PANELS; ++p) write_outputs(product, row + r, panel + p, totals[r][p]);
  }
}

template <class Arithmetic, int BITS, int ROWS>
void multiply_rows(const Product& product, const CodesLayout& layout, std::int64_t row, Range panels) {
  constexpr int kPanels = panels_at_once<Arithmetic, BITS>(ROWS);
  std::int64_t panel = panels.first;
  for (; panel + kPanels <= panels.last; panel += kPanels) {
    multiply_and_write<Arithmetic, BITS, ROWS, kPanels>(product, layout, row, panel);
  }
  for (; panel < panels.last; ++panel) multiply_and_write<Arithmetic, BITS, ROWS, 1>(product, layout, row, panel);
}

// Multiplies rows of a range in as few and large steps as there are kernels for.
template <class Arithmetic, int BITS, int ROWS, int... FEWER>
void multiply_range(const Product& product, const CodesLayout& layout, Range rows, Range panels) {
  if constexpr (ROWS <= kMaxRows<Arithmetic>) {
    for (; rows.last - rows.first >= ROWS; rows.first += ROWS) {
      multiply_rows<Arithmetic, BITS, ROWS>(product, layout, rows.first, panels);
    }
  }
  if constexpr (sizeof...(FEWER) > 0) multiply_range<Arithmetic, BITS, FEWER...>(product, layout, rows, panels);
}

#if defined(RUNSTREAM_UNPACKED)

template <class Arithmetic, int BITS, bool HAS_ONE_SCALE>
void multiply_unpacked(const Product& product, const CodesLayout& layout, Range rows, Range panels) {
  ManyRows<Arithmetic, BITS> many;
  for (std::int64_t first = rows.first; first < rows.last; first += kUnpackedRows) {
    const std::int64_t count = std::min(kUnpackedRows, rows.last - first);
    for (std::int64_t panel = panels.first; panel < panels.last; ++panel) {
      many.template multiply<HAS_ONE_SCALE>(product, layout, first, count, panel, [&](std::int64_t row, Floats sums) {
        write_outputs(product, row, panel, sums);
      });
    }
  }
}

#endif

template <class Arithmetic, int BITS>
void multiply_rows_of(const Product& product, const CodesLayout& layout, Range rows, Range panels) {
#if defined(RUNSTREAM_UNPACKED)
  if constexpr (Arithmetic::kSteps == 1) {
    if (rows.last - rows.first >= kManyRows<Arithmetic, BITS>) {
      const bool has_one_scale = layout.groups == 1 && product.matrix->zero_type == ZeroType::centre;
      (BITS == 8 && has_one_scale ? multiply_unpacked<Arithmetic, BITS, BITS == 8>
                                  : multiply_unpacked<Arithmetic, BITS, false>)(product, layout, rows, panels);
      return;
    }
  }
#endif
  multiply_range<Arithmetic, BITS, 8, 4, 2, 1>(product, layout, rows, panels);
}

template <class Arithmetic, int BITS>
void multiply_part(const Product& product, Range rows, Range panels) {
  const CodesLayout layout(*product.matrix);
  const bool has_one_row = rows.last - rows.first == 1;
  const std::int64_t step = has_one_row ? panels.last - panels.first
                                        : std::max<std::int64_t>(4, kBlockBytes / layout.panel_bytes / 4 * 4);
  for (std::int64_t first = panels.first; first < panels.last; first += step) {
    multiply_rows_of<Arithmetic, BITS>(product, layout, rows, {first, std::min(first + step, panels.last)});
  }
}

template <class Arithmetic>
void multiply_codes_by(const Product& product, Range rows, Range panels) {
  (product.matrix->bits == 4 ? multiply_part<Arithmetic, 4> : multiply_part<Arithmetic, 8>)(product, rows, panels);
}

}  // namespace

// Panels are shared; rows too if there are many and only few panels for each thread.
void multiply_codes(const Product& product, int thread, int num_threads) {
  const std::int64_t panels = num_panels(*product.matrix);
  int row_parts = 1;
  while (num_threads % (2 * row_parts) == 0 && panels * row_parts < 8 * num_threads &&
         product.num_rows >= 24 * row_parts) {
    row_parts *= 2;
  }
  const Range rows = share(product.num_rows, thread % row_parts, row_parts);
  const Range own = share(panels, thread / row_parts, num_threads / row_parts);
  switch (product.matrix->format) {
    case Format::codes_int8: return multiply_codes_by<Int8Arithmetic>(product, rows, own);
    case Format::codes_int16: return multiply_codes_by<Int16Arithmetic>(product, rows, own);
    default: return multiply_codes_by<Float32Arithmetic>(product, rows, own);
  }
}

}  // namespace runstream
