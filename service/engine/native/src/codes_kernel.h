// The innermost loops of products with codes: a few rows by a few panels.
#pragma once

#include <cstdint>

#include "codes_layout.h"
#include "products.h"

namespace runstream {

// Rows as numbers of 16 bits, and exact sums.
struct Int16Arithmetic {
  using Quad = RowQuad;
  using Weights = WideCodes;
  using Sums = Dots;
  static constexpr int kSteps = 1;  // in which a quad is multiplied
  static constexpr int kMaxSums = kMaxDots;

  static Sums from(std::int32_t start) { return dots_from(start); }
  static Weights weights(const Codes& codes, int, int) { return widen(codes); }
  static Sums add(const Sums& sums, const Weights& weights, const Quad* quad, int) {
    return add_products(sums, weights, quad);
  }
  static Floats total(const Sums& sums) { return floats_of(sums); }
};

// The same with numbers of 8 bits.
struct Int8Arithmetic {
  using Quad = ByteQuad;
  using Weights = ByteCodes;
  using Sums = ByteDots;
  static constexpr int kSteps = 1;
  static constexpr int kMaxSums = kMaxDots;

  static Sums from(std::int32_t start) { return byte_dots_from(start); }
  static Weights weights(const Codes& codes, int, int) { return codes_for_bytes(codes); }
  static Sums add(const Sums& sums, const Weights& weights, const Quad* quad, int) {
    return add_products(sums, weights, quad);
  }
  static Floats total(const Sums& sums) { return floats_of(sums); }
};

// Rows as they are, and codes as floats.
struct Float32Arithmetic {
  struct Quad {
    float inputs[kQuad];
  };
  using Weights = Floats;
  using Sums = Floats;
  static constexpr int kSteps = kQuad;
#if defined(RUNSTREAM_AVX512)
  static constexpr int kMaxSums = 24;
#else
  static constexpr int kMaxSums = 6;
#endif

  static Sums from(std::int32_t) { return zeros(); }
  static Weights weights(const Codes& codes, int centre, int step) { return floats_of(subtract(codes, centre), step); }
  static Sums add(const Sums& sums, const Weights& weights, const Quad* quad, int step) {
    return multiply_add(weights, broadcast(quad->inputs[step]), sums);
  }
  static Floats total(const Sums& sums) { return sums; }
};

// A place in the codes of some panels and in a row, and the way to the next ones.
struct Position {
  const std::uint8_t* codes;
  std::int64_t panel_bytes;
  std::int64_t ahead;  // how far from here memory is read soon
  const char* pieces;
  const char* quads;
  std::int64_t row_bytes;

  const Piece& piece(int row) const { return *reinterpret_cast<const Piece*>(pieces + row * row_bytes); }
};

// The panels that are read as streams of their own by one row of bytes, and how far ahead: see float_kernel.h. Fewer panels
// are asked for while those before them are multiplied.
constexpr int kStreamPanels = 8;
constexpr std::int64_t kStreamAhead = 1024;

template <int BITS>
inline Codes load_quad(const std::uint8_t* from, int half) {
  if (BITS == 8) return load_codes(from + half * kQuadBytes);
  return half == 0 ? low_nibbles(load_codes(from)) : high_nibbles(load_codes(from));
}

// Sums a piece.
template <class Arithmetic, int BITS, int ROWS, int PANELS>
inline void sum_piece(Position at, std::int64_t pairs, typename Arithmetic::Sums (&sums)[ROWS][PANELS]) {
  using Quad = typename Arithmetic::Quad;
  constexpr std::int64_t kBytes = code_bytes(BITS, kPair);
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < PANELS; ++p) sums[r][p] = Arithmetic::from(at.piece(r).start);
  }
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      Codes codes[PANELS];
#pragma GCC unroll 8
      for (int p = 0; p < PANELS; ++p) codes[p] = load_quad<BITS>(at.codes + p * at.panel_bytes, half);
#pragma GCC unroll 4
      for (int step = 0; step < Arithmetic::kSteps; ++step) {
        typename Arithmetic::Weights weights[PANELS];
#pragma GCC unroll 8
        for (int p = 0; p < PANELS; ++p) weights[p] = Arithmetic::weights(codes[p], centre_of(BITS), step);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
          const auto* quad = reinterpret_cast<const Quad*>(at.quads + r * at.row_bytes) + half;
#pragma GCC unroll 8
          for (int p = 0; p < PANELS; ++p) sums[r][p] = Arithmetic::add(sums[r][p], weights[p], quad, step);
        }
      }
    }
    for (int p = 0; p < PANELS; ++p) {
      for (int line = 0; line < kBytes; line += 64) __builtin_prefetch(at.codes + p * at.panel_bytes + at.ahead + line, 0, 2);
    }
    at.codes += kBytes;
    at.quads += 2 * sizeof(Quad);
  }
}

// A group's scales, and what is added to each weight since codes are less their centre.
struct Group {
  Floats scales, shifts;
};

inline Floats load_numbers(const void* numbers, bool is_half, std::int64_t place) {
  return is_half ? load_float16(static_cast<const std::uint16_t*>(numbers) + place)
                 : load(static_cast<const float*>(numbers) + place);
}

inline Group load_group(const Matrix& matrix, std::int64_t place) {
  const bool is_half = matrix.has_half_scales != 0;
  Group group{load_numbers(matrix.scales, is_half, place), zeros()};
  const Floats centre = broadcast(static_cast<float>(centre_of(matrix.bits)));
  if (matrix.zero_type == ZeroType::bytes) {
    const Floats zero = load_uint8(static_cast<const std::uint8_t*>(matrix.zeros) + place);
    group.shifts = multiply(multiply_add(zero, broadcast(-1.0F), centre), group.scales);
  } else if (matrix.zero_type == ZeroType::offsets) {
    group.shifts = multiply_add(group.scales, centre, load_numbers(matrix.zeros, is_half, place));
  }
  return group;
}

// Adds the sum of a piece, times its scales, to a row's total; `HAS_ONE_SCALE` leaves that of the weights for the end.
template <bool HAS_ONE_SCALE>
inline Floats add_sum(Floats total, Floats sum, const Group& group, Floats scale) {
  return multiply_add(HAS_ONE_SCALE ? sum : multiply(sum, group.scales), scale, total);
}

// Sums a piece and adds it to totals.
template <class Arithmetic, int BITS, bool HAS_ONE_SCALE, int ROWS, int PANELS>
inline void add_piece(const Position& at, std::int64_t pairs, const Group (&group)[PANELS], bool has_shifts,
                      Floats (&totals)[ROWS][PANELS]) {
  typename Arithmetic::Sums sums[ROWS][PANELS];
  sum_piece<Arithmetic, BITS>(at, pairs, sums);
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
    const Floats scale = broadcast(at.piece(r).scale);
#pragma GCC unroll 8
    for (int p = 0; p < PANELS; ++p) {
      totals[r][p] = add_sum<HAS_ONE_SCALE>(totals[r][p], Arithmetic::total(sums[r][p]), group[p], scale);
    }
  }
  if (!has_shifts) return;
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
    const Floats sum = broadcast(at.piece(r).sum);
#pragma GCC unroll 8
    for (int p = 0; p < PANELS; ++p) totals[r][p] = multiply_add(group[p].shifts, sum, totals[r][p]);
  }
}

// Some rows by some panels, all inputs.
template <class Arithmetic, int BITS, bool HAS_ONE_SCALE, int ROWS, int PANELS>
inline void multiply_tile(const Product& product, const CodesLayout& layout, std::int64_t row, std::int64_t panel,
                          Floats (&totals)[ROWS][PANELS]) {
  const Matrix& matrix = *product.matrix;
  const char* const pieces = static_cast<const char*>(product.prepared) + row * layout.row_bytes;
  Position at{static_cast<const std::uint8_t*>(matrix.panels) + panel * layout.panel_bytes,
              layout.panel_bytes,
              PANELS == kStreamPanels ? kStreamAhead : layout.panel_bytes * PANELS,
              pieces,
              pieces + layout.pieces * static_cast<std::int64_t>(sizeof(Piece)),
              layout.row_bytes};
  const bool has_shifts = matrix.zero_type != ZeroType::centre;
  Group group[PANELS];
  for (std::int64_t index = 0; index < layout.groups; ++index) {
#pragma GCC unroll 8
    for (int p = 0; p < PANELS; ++p) group[p] = load_group(matrix, ((panel + p) * layout.groups + index) * kLanes);
    for (std::int64_t left = layout.padded; left > 0; left -= kPiece, at.pieces += sizeof(Piece)) {
      const std::int64_t pairs = std::min(kPiece, left) / kPair;
      add_piece<Arithmetic, BITS, HAS_ONE_SCALE>(at, pairs, group, has_shifts && !HAS_ONE_SCALE, totals);
      at.codes += code_bytes(BITS, pairs * kPair);
      at.quads += pairs * 2 * static_cast<std::int64_t>(sizeof(typename Arithmetic::Quad));
    }
  }
  if (!HAS_ONE_SCALE) return;
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < PANELS; ++p) totals[r][p] = multiply(totals[r][p], group[p].scales);
  }
}

}  // namespace runstream
