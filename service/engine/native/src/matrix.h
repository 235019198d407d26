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
  // 4 and on: integer_products.h
};

// A packed matrix. It owns nothing: native/matrix.py holds the memory. The layout is that of `Fields` there.
//
// Panel p holds the outputs 16 p ... 16 p + 15; those past the last one are zeros. Inside a panel the inputs run slowest:
//   float32, float16, bfloat16: [inputs][16 outputs]
//   bfloat16_dot:               [inputs / 2 rounded up][16 outputs][2 inputs], an odd number padded with zeros
// Panels follow each other without a gap. Each begins at a multiple of 32 bytes at least, the first at one of 64.
struct Matrix {
  Format format;
  std::int32_t bits;           // of a code of an integer format; else 0
  std::int64_t outputs;
  std::int64_t inputs;
  std::int64_t group_size;     // inputs that share a scale, in integer formats; else 0
  const void* panels;
  const float* scales;         // [panels][groups][16] in integer formats; else null
  const float* zeros;          // the same, or null if every code's zero is 0
  const float* bias;           // [16 * panels], zeros past the last output; or null
  const std::int32_t* order;   // [inputs]: input i of the panels is input order[i] of a row; or null if they are the same
};

inline std::int64_t num_panels(const Matrix& matrix) { return (matrix.outputs + kLanes - 1) / kLanes; }

}  // namespace runstream
