// Rows in the form in which codes are multiplied by them: in the order of the codes, padded, with a scale for each piece.
#include <cmath>
#include <cstring>

#include "codes_layout.h"
#include "codes_products.h"

namespace runstream {

namespace {

// Below this, which no activation of a model is near, a piece counts as zeros: its scale's inverse would overflow.
constexpr float kSmallest = 1e-30F;

std::int32_t bits_of(float value) {
  std::int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// The largest magnitude. As integers these sort alike, and what is no number is the largest.
float largest_of(const float* values, std::int64_t count) {
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, bits_of(values[i]) & 0x7fffffff);
  float value;
  std::memcpy(&value, &largest, sizeof value);
  return value;
}

// The same of the mean of a pair's magnitudes, which is finite where they are.
float largest_pair_of(const float* values, std::int64_t count) {
  float means[kPiece / 2];
  for (std::int64_t i = 0; i < count / 2; ++i) {
    means[i] = 0.5F * std::fabs(values[2 * i]) + 0.5F * std::fabs(values[2 * i + 1]);
  }
  return largest_of(means, count / 2);
}

// Rounds to whole numbers; what is `largest` becomes `largest_number`.
template <class Quad>
Piece round_piece(const float* values, std::int64_t count, float largest, float largest_number, int centre, Quad* quads) {
  std::int32_t numbers[kPiece];
  const bool is_finite = largest <= 3.4028234e38F;
  const bool is_zero = !(largest > kSmallest) || !is_finite;
  const float inverse = is_zero ? 0.0F : largest_number / largest;
  // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even, and leaves it in the lowest bits.
  constexpr float kRounder = 12582912.0F;
  std::int32_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    numbers[i] = is_zero ? 0 : bits_of(values[i] * inverse + kRounder) - bits_of(kRounder);
    sum += numbers[i];
  }
  write_quads(numbers, count, quads);
  const float scale = is_finite ? largest / largest_number : __builtin_nanf("");
  return {scale, scale * static_cast<float>(sum), -sum * centre, 0};
}

Piece copy_piece(const float* values, std::int64_t count, float* numbers) {
  float sum = 0.0F;
  for (std::int64_t i = 0; i < count; ++i) sum += values[i];
  std::memcpy(numbers, values, static_cast<std::size_t>(count) * sizeof(float));
  return {1.0F / kCentredUnit, sum, 0, 0};
}

// A piece's inputs, from those of a row, in the order of the codes.
void take_inputs(const Matrix& matrix, const float* row, std::int64_t first, std::int64_t count, float* values) {
  if (matrix.order == nullptr) {
    std::memcpy(values, row + first, static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) values[i] = row[matrix.order[first + i]];
}

Piece prepare_piece(const Matrix& matrix, const float* values, std::int64_t count, char* numbers) {
  const int centre = centre_of(matrix.bits);
  if (matrix.format == Format::codes_float32) return copy_piece(values, count, reinterpret_cast<float*>(numbers));
  if (matrix.format == Format::codes_int16) {
    auto* quads = reinterpret_cast<RowQuad*>(numbers);
    return round_piece(values, count, largest_of(values, count), kLargestNumber, centre, quads);
  }
  auto* quads = reinterpret_cast<ByteQuad*>(numbers);
  if (kLimitsPairs && matrix.bits == 8) {
    return round_piece(values, count, largest_pair_of(values, count), 0.5F * kLargestByte, centre, quads);
  }
  return round_piece(values, count, largest_of(values, count), kLargestByte, centre, quads);
}

void prepare_row(const Matrix& matrix, const CodesLayout& layout, const float* row, void* prepared) {
  auto* pieces = static_cast<Piece*>(prepared);
  auto* numbers = reinterpret_cast<char*>(pieces + layout.pieces);
  float values[kPiece];
  for (std::int64_t group = 0; group < layout.groups; ++group) {
    for (std::int64_t first = 0; first < matrix.group_size; first += kPiece) {
      const std::int64_t count = std::min(kPiece, matrix.group_size - first);
      const std::int64_t padded = (count + kPair - 1) / kPair * kPair;
      take_inputs(matrix, row, group * matrix.group_size + first, count, values);
      std::fill(values + count, values + padded, 0.0F);
      *pieces++ = prepare_piece(matrix, values, padded, numbers);
      numbers += padded / kQuad * quad_bytes(matrix);
    }
  }
}

}  // namespace

std::int64_t prepared_code_bytes(const Matrix& matrix, std::int64_t num_rows) {
  return CodesLayout(matrix).row_bytes * num_rows;
}

void prepare_for_codes(const Matrix& matrix, const float* rows, std::int64_t row_stride, Range range, void* prepared) {
  const CodesLayout layout(matrix);
  for (std::int64_t row = range.first; row < range.last; ++row) {
    prepare_row(matrix, layout, rows + row * row_stride, static_cast<char*>(prepared) + row * layout.row_bytes);
  }
}

}  // namespace runstream
