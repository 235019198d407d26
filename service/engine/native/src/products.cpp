#include "products.h"

#include <cstdlib>
#include <memory>

#include "codes_products.h"
#include "float_products.h"

namespace runstream {

namespace {

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};

constexpr std::int64_t kCacheLine = 64;

std::unique_ptr<void, Freed> allocate(std::int64_t num_bytes) {
  const std::int64_t rounded = (num_bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  return std::unique_ptr<void, Freed>(rounded > 0 ? std::aligned_alloc(kCacheLine, static_cast<std::size_t>(rounded)) : nullptr);
}

// A region costs some microseconds, as much as this many multiplications on one thread.
constexpr std::int64_t kWorthThreads = 1 << 17;

}  // namespace

std::int64_t prepared_bytes(const Matrix& matrix, std::int64_t num_rows) {
  return is_float(matrix.format) ? prepared_float_bytes(matrix, num_rows) : prepared_code_bytes(matrix, num_rows);
}

void prepare(const Matrix& matrix, const float* rows, std::int64_t row_stride, Range range, void* prepared) {
  (is_float(matrix.format) ? prepare_floats : prepare_for_codes)(matrix, rows, row_stride, range, prepared);
}

void multiply(const Product& product, int thread, int num_threads) {
  (is_float(product.matrix->format) ? multiply_floats : multiply_codes)(product, thread, num_threads);
}

}  // namespace runstream

void runstream_multiply(const runstream::Matrix* matrix, const float* rows, std::int64_t num_rows,
                        std::int64_t row_stride, const float* residual, float* out, std::int64_t out_stride,
                        std::int32_t num_threads) {
  using namespace runstream;
  const auto prepared = allocate(prepared_bytes(*matrix, num_rows));
  const Product product{matrix, rows, num_rows, row_stride, prepared.get(), residual, out, out_stride};
  const bool is_small = num_rows * matrix->outputs * matrix->inputs < kWorthThreads;
  in_parallel(is_small ? 1 : num_threads, [&](int thread, int count) {
    if (prepared) {
      prepare(*matrix, rows, row_stride, share(num_rows, thread, count), prepared.get());
      barrier();
    }
    multiply(product, thread, count);
  });
}
