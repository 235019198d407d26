// Where codes, and a row's numbers for them, lie.
//
// A group's inputs are padded to whole pairs of quads and cut into pieces, the last of them shorter. A panel holds
//   8 bits: [groups][padded / 4][16 outputs][4 inputs], a byte each
//   4 bits: [groups][padded / 8][16 outputs][4 inputs]; a byte's lower half is of one quad, the higher of the next one
// Padding is zeros, as it is in rows. A row is [pieces] `Piece`, then [padded] numbers of 16 or 8 bits, or floats.
#pragma once

#include <algorithm>
#include <cstdint>

#include "byte_dots.h"
#include "matrix.h"

namespace runstream {

// Inputs of which a row has a scale of its own. With 128 of them no sum of 32 bits overflows: codes of at most 255 times
// numbers of at most 32639 sum up to at most 1.07e9, the part that is subtracted for the centre to half of that.
constexpr std::int64_t kPiece = 128;

constexpr std::int64_t kPair = 2 * kQuad;

constexpr int centre_of(int bits) { return 1 << (bits - 1); }

constexpr std::int64_t code_bytes(int bits, std::int64_t padded) { return padded * kLanes * bits / 8; }

// Of a row's numbers.
constexpr std::int64_t quad_bytes(const Matrix& matrix) {
  return matrix.format == Format::codes_float32 ? kQuad * sizeof(float)
         : matrix.format == Format::codes_int8  ? sizeof(ByteQuad)
                                                : sizeof(RowQuad);
}

// What a piece of a row has beside its numbers.
struct Piece {
  float scale;        // the row's inputs are its numbers times this
  float sum;          // of the inputs
  std::int32_t start;  // where sums begin: less the centre of the codes times its numbers; 0 where codes are centred
  std::int32_t unused;
};

struct CodesLayout {
  std::int64_t groups;
  std::int64_t padded;       // inputs of a group with its padding
  std::int64_t pieces;       // of a row
  std::int64_t panel_bytes;
  std::int64_t row_bytes;    // of a prepared row

  explicit CodesLayout(const Matrix& matrix)
      : groups(matrix.inputs / matrix.group_size),
        padded((matrix.group_size + kPair - 1) / kPair * kPair),
        pieces(groups * ((matrix.group_size + kPiece - 1) / kPiece)),
        panel_bytes(code_bytes(matrix.bits, groups * padded)) {
    const std::int64_t quads = groups * padded / kQuad, pieces_bytes = pieces * static_cast<std::int64_t>(sizeof(Piece));
    const std::int64_t whole = pieces_bytes + quads * quad_bytes(matrix);
    row_bytes = (whole + 63) / 64 * 64;
  }
};

}  // namespace runstream
