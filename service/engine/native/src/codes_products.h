// Products with the formats whose weights are codes of 8 or 4 bits.
#pragma once

#include "products.h"

namespace runstream {

// As products.h has them.
std::int64_t prepared_code_bytes(const Matrix& matrix, std::int64_t num_rows);
void prepare_for_codes(const Matrix& matrix, const float* rows, std::int64_t row_stride, Range range, void* prepared);
void multiply_codes(const Product& product, int thread, int num_threads);

}  // namespace runstream
