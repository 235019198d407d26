// Products of many rows with AVX2 and no VNNI: a panel's codes of a piece are unpacked once for all rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "codes_kernel.h"
#include "parallel.h"

#if defined(RUNSTREAM_AVX2) && !defined(RUNSTREAM_BYTE_DOTS)

#define RUNSTREAM_UNPACKED 1

namespace runstream {

// From how many rows on unpacking pays: measured on Zen 3.
template <class Arithmetic, int BITS>
constexpr std::int64_t kManyRows = std::is_same_v<Arithmetic, Int8Arithmetic> && BITS == 4 ? 3 : 6;

// For so many are codes unpacked at once. Their totals and a piece's weights stay in the first cache.
constexpr std::int64_t kUnpackedRows = 64;

// Four products, and then the four sums. In turns, sums would take the two units that multiply.
//
// weights: of a step, 8 outputs in each vector. first, second: 4 bytes of two rows. widen: the four
// products. more: operands for that, since another register in use would cost a quarter of the rate.
#define RUNSTREAM_ADD_STEP(multiply, widen, add, more)                                                        \
  __m256i number, first_low, first_high, second_low, second_high;                                             \
  asm("vpbroadcastd %[first], %[number]\n\t"                                                                  \
      multiply " %[number], %[low], %[first_low]\n\t"                                                         \
      multiply " %[number], %[high], %[first_high]\n\t"                                                       \
      "vpbroadcastd %[second], %[number]\n\t"                                                                 \
      multiply " %[number], %[low], %[second_low]\n\t"                                                        \
      multiply " %[number], %[high], %[second_high]\n\t"                                                      \
      widen                                                                                                   \
      add " %[first_low], %[sum_low], %[sum_low]\n\t"                                                         \
      add " %[first_high], %[sum_high], %[sum_high]\n\t"                                                      \
      add " %[second_low], %[other_low], %[other_low]\n\t"                                                    \
      add " %[second_high], %[other_high], %[other_high]"                                                     \
      : [number] "=&x"(number), [first_low] "=&x"(first_low), [first_high] "=&x"(first_high),                 \
        [second_low] "=&x"(second_low), [second_high] "=&x"(second_high), [sum_low] "+x"(sums.low),           \
        [sum_high] "+x"(sums.high), [other_low] "+x"(others.low), [other_high] "+x"(others.high)              \
      : [first] "m"(*first), [second] "m"(*second), [low] "x"(low), [high] "x"(high) more)

#define RUNSTREAM_ONES , [ones] "x"(ones)

// Sums of a row, 8 outputs in each vector.
struct RowSums {
  __m256i low, high;
};

// Codes as numbers of 16 bits, [steps][16 outputs][2 inputs]: a quad is two steps.
template <class Arithmetic, int BITS>
struct Unpacked {
  static constexpr std::int64_t kQuadSteps = 2;
  static constexpr bool kHasShortSums = false;

  static void write(const Codes& codes, __m256i* to) {
    const WideCodes wide = widen(codes);
    _mm256_store_si256(to, wide.even[0]);
    _mm256_store_si256(to + 1, wide.even[1]);
    _mm256_store_si256(to + 2, wide.odd[0]);
    _mm256_store_si256(to + 3, wide.odd[1]);
  }

  [[gnu::always_inline]] static void add_two(RowSums& sums, RowSums& others, __m256i low, __m256i high, __m256i,
                                             const std::int32_t* first, const std::int32_t* second) {
    RUNSTREAM_ADD_STEP("vpmaddwd", "", "vpaddd", );
  }

  static __m256i add_one(__m256i sums, __m256i weights, __m256i, __m256i number) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(weights, number));
  }
};

// Codes as bytes, [steps][16 outputs][4 inputs].
template <int BITS>
struct Unpacked<Int8Arithmetic, BITS> {
  static constexpr std::int64_t kQuadSteps = 1;
  static constexpr bool kHasShortSums = BITS == 4;

  static void write(const Codes& codes, __m256i* to) {
    _mm256_store_si256(to, codes.low);
    _mm256_store_si256(to + 1, codes.high);
  }

  [[gnu::always_inline]] static void add_two(RowSums& sums, RowSums& others, __m256i low, __m256i high, __m256i ones,
                                             const std::int32_t* first, const std::int32_t* second) {
    if constexpr (kHasShortSums) {
      RUNSTREAM_ADD_STEP("vpmaddubsw", "", "vpaddw", );
    } else {
      RUNSTREAM_ADD_STEP("vpmaddubsw",
                         "vpmaddwd %[ones], %[first_low], %[first_low]\n\t"
                         "vpmaddwd %[ones], %[first_high], %[first_high]\n\t"
                         "vpmaddwd %[ones], %[second_low], %[second_low]\n\t"
                         "vpmaddwd %[ones], %[second_high], %[second_high]\n\t",
                         "vpaddd", RUNSTREAM_ONES);
    }
  }

  static __m256i add_one(__m256i sums, __m256i weights, __m256i ones, __m256i number) {
    const __m256i products = _mm256_maddubs_epi16(weights, number);
    return kHasShortSums ? _mm256_add_epi16(sums, products)
                         : _mm256_add_epi32(sums, _mm256_madd_epi16(products, ones));
  }
};

#undef RUNSTREAM_ONES
#undef RUNSTREAM_ADD_STEP

// Adds the products of some steps to sums of whichever width `Unpacked` has.
template <class Arithmetic, int BITS, int ROWS>
[[gnu::always_inline]] inline void add_steps(RowSums (&sums)[ROWS], const __m256i* weights, const char* numbers,
                                             std::int64_t row_bytes, std::int64_t steps) {
  using Weights = Unpacked<Arithmetic, BITS>;
  const __m256i ones = _mm256_set1_epi16(1);
  constexpr int kStepsAtOnce = 2 * Weights::kQuadSteps;  // those of a pair of quads
  // Of arrays the compiler writes each element to memory at once.
  RowSums first = sums[0], second = sums[ROWS > 1], third = sums[ROWS > 2 ? 2 : 0], fourth = sums[ROWS > 2 ? 3 : 0];
  for (std::int64_t left = steps; left > 0; left -= kStepsAtOnce) {
#pragma GCC unroll 4
    for (int step = 0; step < kStepsAtOnce; ++step, weights += 2, numbers += sizeof(std::int32_t)) {
      const __m256i low = _mm256_load_si256(weights), high = _mm256_load_si256(weights + 1);
      const auto number = [&](int row) { return reinterpret_cast<const std::int32_t*>(numbers + row * row_bytes); };
      if constexpr (ROWS == 1) {
        const __m256i all = _mm256_set1_epi32(*number(0));
        first.low = Weights::add_one(first.low, low, ones, all);
        first.high = Weights::add_one(first.high, high, ones, all);
      } else {
        Weights::add_two(first, second, low, high, ones, number(0), number(1));
        if constexpr (ROWS == 4) Weights::add_two(third, fourth, low, high, ones, number(2), number(3));
      }
    }
  }
  sums[0] = first;
  if constexpr (ROWS > 1) sums[1] = second;
  if constexpr (ROWS > 2) sums[2] = third, sums[3] = fourth;
}

// So many quads of codes of 4 bits and bytes have sums in 16 bits: each adds two products, and 8 * 2 * 15 * 127 < 2^15.
constexpr std::int64_t kShortQuads = 8;

// The sums of a piece, which begin as `Piece` says.
template <class Arithmetic, int BITS, int ROWS>
[[gnu::always_inline]] inline void sum_unpacked(const __m256i* weights, const char* pieces, const char* numbers,
                                                std::int64_t row_bytes, std::int64_t quads, RowSums (&sums)[ROWS]) {
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r) {
    sums[r].low = sums[r].high = _mm256_set1_epi32(reinterpret_cast<const Piece*>(pieces + r * row_bytes)->start);
  }
  using Weights = Unpacked<Arithmetic, BITS>;
  if constexpr (!Weights::kHasShortSums) {
    add_steps<Arithmetic, BITS>(sums, weights, numbers, row_bytes, Weights::kQuadSteps * quads);
    return;
  }
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::int64_t first = 0; first < quads; first += kShortQuads) {
    RowSums shorts[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r) shorts[r].low = shorts[r].high = _mm256_setzero_si256();
    add_steps<Arithmetic, BITS>(shorts, weights + 2 * first, numbers + first * sizeof(std::int32_t), row_bytes,
                          std::min(kShortQuads, quads - first));
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; ++r) {
      sums[r].low = _mm256_add_epi32(sums[r].low, _mm256_madd_epi16(shorts[r].low, ones));
      sums[r].high = _mm256_add_epi32(sums[r].high, _mm256_madd_epi16(shorts[r].high, ones));
    }
  }
}

// A piece of many rows, and of a panel's codes.
struct PieceTask {
  const __m256i* weights;
  const char* pieces;
  const char* numbers;
  std::int64_t row_bytes;
  std::int64_t quads;
  const Group* group;
  bool has_shifts;
  Floats* totals;     // of the rows
  const char* ahead;  // what is read next
  std::int64_t ahead_bytes;  // of it, asked for with each 4 rows
};

template <class Arithmetic, int BITS, bool HAS_ONE_SCALE, int ROWS>
[[gnu::always_inline]] inline void add_rows(const PieceTask& task, std::int64_t row) {
  const char* const pieces = task.pieces + row * task.row_bytes;
  RowSums sums[ROWS];
  const char* const numbers = task.numbers + row * task.row_bytes;
  sum_unpacked<Arithmetic, BITS, ROWS>(task.weights, pieces, numbers, task.row_bytes, task.quads, sums);
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r) {
    const auto& piece = *reinterpret_cast<const Piece*>(pieces + r * task.row_bytes);
    const Floats sum{_mm256_cvtepi32_ps(sums[r].low), _mm256_cvtepi32_ps(sums[r].high)};
    Floats total = add_sum<HAS_ONE_SCALE>(task.totals[row + r], sum, *task.group, broadcast(piece.scale));
    if (!HAS_ONE_SCALE && task.has_shifts) total = multiply_add(task.group->shifts, broadcast(piece.sum), total);
    task.totals[row + r] = total;
  }
}

// In a function of its own the innermost loop has all registers. `rows` begins at a multiple of 4.
template <class Arithmetic, int BITS, bool HAS_ONE_SCALE>
[[gnu::noinline]] void add_piece_of_rows(const PieceTask& task, Range rows) {
  std::int64_t row = rows.first;
  for (; row + 4 <= rows.last; row += 4) {
    const char* const ahead = task.ahead + row / 4 * task.ahead_bytes;
    for (std::int64_t line = 0; line < task.ahead_bytes; line += 64) __builtin_prefetch(ahead + line, 0, 2);
    add_rows<Arithmetic, BITS, HAS_ONE_SCALE, 4>(task, row);
  }
  if (row + 2 <= rows.last) {
    add_rows<Arithmetic, BITS, HAS_ONE_SCALE, 2>(task, row);
    row += 2;
  }
  if (row < rows.last) add_rows<Arithmetic, BITS, HAS_ONE_SCALE, 1>(task, row);
}

// Many rows by one panel, and the memory for it.
template <class Arithmetic, int BITS>
class ManyRows {
 public:
  // Rows `first` ... by all inputs of a panel; calls write(row, sums) for each, while others are multiplied: written
  // together they would be waited for.
  template <bool HAS_ONE_SCALE, class Write>
  void multiply(const Product& product, const CodesLayout& layout, std::int64_t first, std::int64_t count,
                std::int64_t panel, const Write& write) {
    const Matrix& matrix = *product.matrix;
    const auto* codes = static_cast<const std::uint8_t*>(matrix.panels) + panel * layout.panel_bytes;
    const char* pieces = static_cast<const char*>(product.prepared) + first * layout.row_bytes;
    const char* numbers = pieces + layout.pieces * static_cast<std::int64_t>(sizeof(Piece));
    const bool has_shifts = matrix.zero_type != ZeroType::centre;
    std::fill(totals_, totals_ + count, zeros());
    for (std::int64_t index = 0; index < layout.groups; ++index) {
      const Group group = load_group(matrix, (panel * layout.groups + index) * kLanes);
      for (std::int64_t left = layout.padded; left > 0; left -= kPiece) {
        const std::int64_t quads = std::min(kPiece, left) / kQuad, bytes = code_bytes(BITS, quads * kQuad);
        unpack(codes, quads);
        codes += bytes;
        const PieceTask task{weights_, pieces,     numbers, layout.row_bytes,                     quads,
                             &group,   has_shifts, totals_, reinterpret_cast<const char*>(codes), bytes * 4 / count};
        const bool is_last = index == layout.groups - 1 && left <= kPiece;
        const std::int64_t step = is_last ? 4 : count;
        for (std::int64_t row = 0; row < count; row += step) {
          const Range rows{row, std::min(row + step, count)};
          add_piece_of_rows<Arithmetic, BITS, HAS_ONE_SCALE>(task, rows);
          for (std::int64_t done = row; is_last && done < rows.last; ++done) {
            write(first + done, HAS_ONE_SCALE ? runstream::multiply(totals_[done], group.scales) : totals_[done]);
          }
        }
        pieces += sizeof(Piece);
        numbers += quads * sizeof(typename Arithmetic::Quad);
      }
    }
  }

 private:
  using Weights = Unpacked<Arithmetic, BITS>;

  void unpack(const std::uint8_t* codes, std::int64_t quads) {
    for (std::int64_t quad = 0; quad < quads; quad += 2) {
      const std::uint8_t* const from = codes + quad * kQuadBytes * BITS / 8;
      for (int half = 0; half < 2; ++half) {
        Weights::write(load_quad<BITS>(from, half), weights_ + (quad + half) * 2 * Weights::kQuadSteps);
      }
    }
  }

  alignas(64) __m256i weights_[kPiece / kQuad * 2 * Weights::kQuadSteps];
  alignas(64) Floats totals_[kUnpackedRows];
};

}  // namespace runstream

#endif
