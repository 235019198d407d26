#include "packing.h"

#include <algorithm>
#include <cstring>

#include "codes_packing.h"
#include "float_products.h"
#include "parallel.h"
#include "vectors.h"

namespace runstream {

namespace {

// The place of a weight in its panel, counted in weights.
inline std::int64_t place(Format format, std::int64_t input, std::int64_t lane) {
  if (format == Format::bfloat16_dot) return (input / 2 * kLanes + lane) * 2 + input % 2;
  return input * kLanes + lane;
}

inline std::int64_t panel_size(const Matrix& matrix) {
  const bool takes_pairs = matrix.format == Format::bfloat16_dot;
  return kLanes * (takes_pairs ? (matrix.inputs + 1) / 2 * 2 : matrix.inputs);
}

template <class Weight>
void pack_panel(const Matrix& matrix, std::int64_t panel, const Weight* weight, Range outputs) {
  auto* to = static_cast<Weight*>(const_cast<void*>(matrix.panels)) + panel * panel_size(matrix);
  const std::int64_t first = panel * kLanes > outputs.first ? panel * kLanes : outputs.first;
  const std::int64_t last = (panel + 1) * kLanes < outputs.last ? (panel + 1) * kLanes : outputs.last;
  for (std::int64_t input = 0; input < matrix.inputs; ++input) {
    for (std::int64_t output = first; output < last; ++output) {
      to[place(matrix.format, input, output % kLanes)] = weight[(output - outputs.first) * matrix.inputs + input];
    }
  }
}

template <class Weight>
void pack(const Matrix& matrix, const void* weight, Range outputs, int num_threads) {
  const std::int64_t first = outputs.first / kLanes;
  const std::int64_t count = (outputs.last + kLanes - 1) / kLanes - first;
  in_parallel(num_threads, [&](int thread, int num) {
    const Range panels = share(count, thread, num);
    for (std::int64_t panel = panels.first; panel < panels.last; ++panel) {
      pack_panel(matrix, first + panel, static_cast<const Weight*>(weight), outputs);
    }
  });
}

inline float float_at(const Matrix& matrix, std::int64_t index) {
  if (matrix.format == Format::float32) return static_cast<const float*>(matrix.panels)[index];
  const std::uint16_t bits = static_cast<const std::uint16_t*>(matrix.panels)[index];
  return matrix.format == Format::float16 ? float_of_float16(bits) : float_of_bfloat16(bits);
}

}  // namespace

void take_outputs(const Matrix& matrix, const std::int64_t* ids, std::int64_t num_ids, float* out,
                  std::int64_t stride) {
  if (!is_float(matrix.format)) {
    for (std::int64_t i = 0; i < num_ids; ++i) take_codes_output(matrix, ids[i], out + i * stride);
    return;
  }
  for (std::int64_t i = 0; i < num_ids; ++i) {
    const std::int64_t panel = ids[i] / kLanes * panel_size(matrix), lane = ids[i] % kLanes;
    for (std::int64_t input = 0; input < matrix.inputs; ++input) {
      out[i * stride + input] = float_at(matrix, panel + place(matrix.format, input, lane));
    }
  }
}

}  // namespace runstream

void runstream_pack(const runstream::Matrix* matrix, const void* weight, std::int64_t first_output,
                    std::int64_t num_outputs, std::int32_t num_threads) {
  using namespace runstream;
  const Range outputs{first_output, first_output + num_outputs};
  if (matrix->format == Format::float32) {
    pack<float>(*matrix, weight, outputs, num_threads);
  } else {
    pack<std::uint16_t>(*matrix, weight, outputs, num_threads);
  }
}

std::int32_t runstream_take_outputs(const runstream::Matrix* matrix, const std::int64_t* ids, std::int64_t num_ids,
                                    float* out, std::int32_t num_threads) {
  using namespace runstream;
  const auto is_there = [&](std::int64_t id) { return 0 <= id && id < matrix->outputs; };
  if (!std::all_of(ids, ids + num_ids, is_there)) return 0;
  in_parallel(num_threads, [&](int thread, int count) {
    const Range own = share(num_ids, thread, count);
    take_outputs(*matrix, ids + own.first, own.last - own.first, out + own.first * matrix->inputs, matrix->inputs);
  });
  return 1;
}

std::int64_t runstream_matrix_bytes() { return sizeof(runstream::Matrix); }

std::int32_t runstream_has_bfloat16_dot() {
#if defined(RUNSTREAM_BFLOAT16_DOT)
  return 1;
#else
  return 0;
#endif
}
