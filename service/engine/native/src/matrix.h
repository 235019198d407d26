// A weight matrix as the products read it: outputs in panels of 16, which are the lanes of vectors.
#pragma once

#include <cstdint>

namespace runstream {

constexpr int kLanes = 16;  // the outputs of a panel

// How weights are stored and what they are multiplied in. The numbers are those of native/matrix.py.
enum class Format : std::int32_t {
  float32 = 0,
  float16 = 1,      // widened in registers, multiplied in float32
  bfloat16 = 2,     // the same
  bfloat16_dot = 3, // pairs of inputs by vdpbf16ps; rows are rounded to bfloat16
  codes_float32 = 4, // codes of 8 or 4 bits, widened to float32
  codes_int16 = 5,   // the same, multiplied by rows that are rounded to 16 bits
  codes_int8 = 6,    // the same, by rows that are rounded to 8 bits
};

// How a matrix of codes keeps which code stands for 0.
enum class ZeroType : std::int32_t {
  centre = 0,   // not at all: it is 2^(bits - 1)
  bytes = 1,    // as codes: weight = scale * (code - zero)
  offsets = 2,  // as numbers of the scales' type: weight = scale * code + offset
};

// A packed matrix. It owns nothing: native/matrix.py holds the memory. The layout is that of `Fields` there.
//
// Panel p holds the outputs 16 p ... 16 p + 15; those past the last one are zeros. Inside a panel the inputs run slowest:
//   float32, float16, bfloat16: [inputs][16 outputs]
//   bfloat16_dot:               [inputs / 2 rounded up][16 outputs][2 inputs], an odd number padded with zeros
//   codes_...: codes_layout.h
// Panels follow each other without a gap. Each begins at a multiple of 32 bytes at least, the first at one of 64.
struct Matrix {
  Format format;
  std::int32_t bits;           // of a code, 8 or 4; else 0
  std::int64_t outputs;
  std::int64_t inputs;
  std::int64_t group_size;     // codes of an output that share a scale, a divisor of the inputs; else 0
  const void* panels;
  const void* scales;          // of codes: [panels][groups][16]; else null
  const void* zeros;           // the same, as `zero_type` says, or null
  const float* bias;           // [16 * panels], zeros past the last output; or null
  const std::int32_t* order;   // [inputs]: input i of the panels is input order[i] of a row; or null if they are the same
  std::int32_t has_half_scales;  // whether scales and offsets are float16 instead of float32
  ZeroType zero_type;
};

inline std::int64_t num_panels(const Matrix& matrix) { return (matrix.outputs + kLanes - 1) / kLanes; }

}  // namespace runstream
