// Products with the formats whose weights are floats of 32 or 16 bits.
#pragma once

#include "products.h"

namespace runstream {

inline bool is_float(Format format) { return format <= Format::bfloat16_dot; }

// As products.h has them.
std::int64_t prepared_float_bytes(const Matrix& matrix, std::int64_t num_rows);
void prepare_floats(const Matrix& matrix, const float* rows, std::int64_t row_stride, Range range, void* prepared);
void multiply_floats(const Product& product, int thread, int num_threads);

}  // namespace runstream
