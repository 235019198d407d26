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

  static Sums none() { return no_dots(); }
  static Weights weights(const Codes& codes, int, int) { return widen(codes); }
  static Sums add(const Sums& sums, const Weights& weights, const Quad* quad, int) {
    return add_products(sums, weights, quad);
  }
  static Floats total(const Sums& sums, const Piece& piece) { return floats_of(sums, piece.less); }
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

  static Sums none() { return zeros(); }
  static Weights weights(const Codes& codes, int centre, int step) { return floats_of(subtract(codes, centre), step); }
  static Sums add(const Sums& sums, const Weights& weights, const Quad* quad, int step) {
    return multiply_add(weights, broadcast(quad->inputs[step]), sums);
  }
  static Floats total(const Sums& sums, const Piece&) { return sums; }
};

// A place in the codes of some panels and in a row, and the way to the next ones.
struct Position {
  const std::uint8_t* codes;
  std::int64_t panel_bytes;
  std::int64_t ahead;  // how far from here memory is read soon
  const char* quads;
  std::int64_t row_bytes;
};

template <class Arithmetic, int ROWS, int PANELS>
struct PieceSums {
  typename Arithmetic::Sums of[ROWS][PANELS];
};

template <int BITS>
inline Codes load_quad(const std::uint8_t* from, int half) {
  if (BITS == 8) return load_codes(from + half * kQuadBytes);
  return half == 0 ? low_nibbles(load_codes(from)) : high_nibbles(load_codes(from));
}

// Sums a piece.
template <class Arithmetic, int BITS, int ROWS, int PANELS>
inline void sum_piece(Position at, std::int64_t pairs, PieceSums<Arithmetic, ROWS, PANELS>& piece) {
  using Quad = typename Arithmetic::Quad;
  constexpr std::int64_t kBytes = code_bytes(BITS, kPair);
  typename Arithmetic::Sums sums[ROWS][PANELS];
  for (auto& of_row : sums) {
    for (auto& sum : of_row) sum = Arithmetic::none();
  }
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    for (int half = 0; half < 2; ++half) {
      Codes codes[PANELS];
      for (int p = 0; p < PANELS; ++p) codes[p] = load_quad<BITS>(at.codes + p * at.panel_bytes, half);
      for (int step = 0; step < Arithmetic::kSteps; ++step) {
        typename Arithmetic::Weights weights[PANELS];
        for (int p = 0; p < PANELS; ++p) weights[p] = Arithmetic::weights(codes[p], centre_of(BITS), step);
        for (int r = 0; r < ROWS; ++r) {
          const auto* quad = reinterpret_cast<const Quad*>(at.quads + r * at.row_bytes) + half;
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
  for (int r = 0; r < ROWS; ++r) {
    for (int p = 0; p < PANELS; ++p) piece.of[r][p] = sums[r][p];
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

// Some rows by some panels, all inputs.
template <class Arithmetic, int BITS, int ROWS, int PANELS>
void multiply_tile(const Product& product, const CodesLayout& layout, std::int64_t row, std::int64_t panel,
                   Floats (&totals)[ROWS][PANELS]) {
  const Matrix& matrix = *product.matrix;
  const char* pieces = static_cast<const char*>(product.prepared) + row * layout.row_bytes;
  Position at{static_cast<const std::uint8_t*>(matrix.panels) + panel * layout.panel_bytes, layout.panel_bytes,
              layout.panel_bytes * PANELS, pieces + layout.pieces * static_cast<std::int64_t>(sizeof(Piece)),
              layout.row_bytes};
  const bool has_shifts = matrix.zero_type != ZeroType::centre;
  for (auto& of_row : totals) {
    for (Floats& total : of_row) total = zeros();
  }
  for (std::int64_t index = 0; index < layout.groups; ++index) {
    Group group[PANELS];
    for (int p = 0; p < PANELS; ++p) group[p] = load_group(matrix, ((panel + p) * layout.groups + index) * kLanes);
    for (std::int64_t left = layout.padded; left > 0; left -= kPiece, pieces += sizeof(Piece)) {
      const std::int64_t pairs = std::min(kPiece, left) / kPair;
      PieceSums<Arithmetic, ROWS, PANELS> sums;
      sum_piece<Arithmetic, BITS, ROWS, PANELS>(at, pairs, sums);
      at.codes += code_bytes(BITS, pairs * kPair);
      at.quads += pairs * 2 * static_cast<std::int64_t>(sizeof(typename Arithmetic::Quad));
      for (int r = 0; r < ROWS; ++r) {
        const Piece& piece = *reinterpret_cast<const Piece*>(pieces + r * layout.row_bytes);
        for (int p = 0; p < PANELS; ++p) {
          const Floats sum = multiply(Arithmetic::total(sums.of[r][p], piece), group[p].scales);
          totals[r][p] = multiply_add(sum, broadcast(piece.scale), totals[r][p]);
          if (has_shifts) totals[r][p] = multiply_add(group[p].shifts, broadcast(piece.sum), totals[r][p]);
        }
      }
    }
  }
}

}  // namespace runstream
