// Products of rows with a packed matrix. Bits of a row's outputs depend on that row only: neither on the rows beside it,
// nor on the number of threads. Each output is summed over the inputs in one fixed order.
//
// In a region that a caller has opened (parallel.h), every thread does, for one product:
//
//   prepare(matrix, rows, row_stride, share(num_rows, thread, num_threads), prepared);  // nothing for float rows
//   barrier();                       // one that a caller needs before rows are read anyway
//   multiply(product, thread, num_threads);
//   barrier();                       // before outputs of other threads are read
#pragma once

#include <cstdint>

#include "matrix.h"
#include "parallel.h"

namespace runstream {

struct Product {
  const Matrix* matrix;
  const float* rows;           // [num_rows][row_stride], of which the first `inputs` count
  std::int64_t num_rows;
  std::int64_t row_stride;     // in floats
  const void* prepared;        // what `prepare` wrote for these rows; null where `prepared_bytes` is 0
  const float* residual;       // added to the product, laid out as `out` and may be `out`; or null
  float* out;                  // [num_rows][out_stride]; only the first `outputs` of each are written
  std::int64_t out_stride;     // in floats
};

// The room that a number of rows needs in the form in which a matrix's format takes them; 0 where that is float32.
std::int64_t prepared_bytes(const Matrix& matrix, std::int64_t num_rows);

// Writes rows in that form, those of a range, at their places in `prepared`, which begins at a multiple of 64 bytes.
// Matrices of the same format, inputs, groups and order take the same form.
void prepare(const Matrix& matrix, const float* rows, std::int64_t row_stride, Range range, void* prepared);

// A thread's part of a product: rows times matrix, plus the matrix's bias, plus the residual.
void multiply(const Product& product, int thread, int num_threads);

}  // namespace runstream

extern "C" {

// One product in a region of its own.
void runstream_multiply(const runstream::Matrix* matrix, const float* rows, std::int64_t num_rows,
                        std::int64_t row_stride, const float* residual, float* out, std::int64_t out_stride,
                        std::int32_t num_threads);
}
