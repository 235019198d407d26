// The products of attention: queries by keys, and weights by values, for a tile of rows and a span of tokens.
//
// The order of each sum is the same whatever rows are computed beside it. A score adds every sixteenth product of the
// head's numbers one by one, and these sixteen sums in pairs (lane_sums.h). Values are added token by token.
#pragma once

#include "attention.h"
#include "lane_sums.h"
#include "lines_ahead.h"
#include "transpose.h"

namespace runstream {

#if defined(RUNSTREAM_AVX512)
constexpr int kRowsTogether = 4, kLanesTogether = 4;  // 16 sums in registers
#else
constexpr int kRowsTogether = 2, kLanesTogether = 2;
#endif

// Up to how many rows it takes longer to turn keys round than to add up the lanes of each row's products.
constexpr std::int64_t kFewRows = 4;

// The first `count` lanes, and zeros.
inline Floats first_lanes(Floats values, std::int64_t count) {
  if (count >= kLanes) return values;
  float places[kLanes];
  for (int i = 0; i < kLanes; ++i) places[i] = static_cast<float>(i);
  return where_less(load(places), broadcast(static_cast<float>(count)), values, zeros());
}

// Scores of a row with a block's tokens, whose keys are read where they are.
//
// It reads up to 15 numbers behind a head, which are another head's or the scratch block's, and then sets them to zero.
template <class Number>
inline void score_in_place(const float* query, const typename Number::Bits* keys, std::int64_t stride,
                           std::int64_t size, float* scores, LinesAhead& ahead) {
  const std::int64_t whole = size / kLanes * kLanes, lines = (size + Number::kOfLine - 1) / Number::kOfLine;
  Floats sums[kBlockSize];
  for (int token = 0; token < kBlockSize; ++token, keys += stride) {
    ahead.bring_near(lines);
    Floats sum = zeros();
    for (std::int64_t d = 0; d < whole; d += kLanes) sum = multiply_add(load(query + d), Number::load(keys + d), sum);
    if (whole < size) {
      const Floats key = first_lanes(Number::load(keys + whole), size - whole);
      sum = multiply_add(load_some(query + whole, size - whole), key, sum);
    }
    sums[token] = sum;
  }
  store(scores, sums_of_lanes(sums));
}

// Reads a block's keys of one head so that tokens are lanes: [head size][16 tokens].
//
// It reads up to 15 numbers behind a head, as above; they come to no place in `keys` that is read.
template <class Number>
inline void read_keys(const typename Number::Bits* at, std::int64_t stride, std::int64_t size, float* keys,
                      LinesAhead& ahead) {
  for (std::int64_t d = 0; d < size; d += kLanes) {
    Floats tokens[kLanes];
    for (int token = 0; token < kBlockSize; ++token) tokens[token] = Number::load(at + token * stride + d);
    transpose(tokens);
    for (int i = 0; i < kLanes; ++i) store(keys + (d + i) * kLanes, tokens[i]);
    ahead.bring_near(2 * kBlockSize * kLanes / Number::kOfLine);
  }
}

template <int rows>
inline void score_some(const float* const* queries, const float* keys, std::int64_t size, float* scores) {
  const auto products = [&](int first) __attribute__((always_inline)) {
    Together<rows> sums;
    for (Floats& sum : sums.of) sum = zeros();
    for (std::int64_t d = first; d < size; d += kLanes) {
      const Floats key = load(keys + d * kLanes);
      for (int row = 0; row < rows; ++row) sums.of[row] = multiply_add(broadcast(queries[row][d]), key, sums.of[row]);
    }
    return sums;
  };
  const Together<rows> sums = sum_in_pairs<rows>(products);
  for (int row = 0; row < rows; ++row) store(scores + row * kSpan, sums.of[row]);
}

// Scores of rows with a block's tokens, whose keys have been read: [rows][16], a span apart.
inline void score(const float* const* queries, std::int64_t num_rows, const float* keys, std::int64_t size,
                  float* scores) {
  std::int64_t row = 0;
  for (; row + kRowsTogether <= num_rows; row += kRowsTogether)
    score_some<kRowsTogether>(queries + row, keys, size, scores + row * kSpan);
  for (; row < num_rows; ++row) score_some<1>(queries + row, keys, size, scores + row * kSpan);
}

// Gives scores of a row minus infinity, but those of the places from `begin` to `end` in the span.
inline void hide_unseen(float* scores, std::int64_t num_blocks, float begin, float end) {
  float places[kLanes];
  for (int i = 0; i < kLanes; ++i) places[i] = static_cast<float>(i);
  for (std::int64_t block = 0; block < num_blocks; ++block, scores += kLanes) {
    const Floats place = add(load(places), broadcast(static_cast<float>(block * kLanes))), hidden = broadcast(-INFINITY);
    const Floats seen = where_less(place, broadcast(begin), hidden, load(scores));
    store(scores, where_less(broadcast(end), place, hidden, seen));
  }
}

// A span's values as they are in memory: those of each block, from token to token a stride apart.
template <class Number>
struct Values {
  const typename Number::Bits* const* blocks;
  std::int64_t stride;
  std::int64_t num_tokens;
};

template <class Number, int rows, int parts>
inline void add_some(const Values<Number>& values, std::int64_t d, const float* weights, const float* scales,
                     float* sums, std::int64_t sums_stride, LinesAhead& ahead) {
  Floats kept[rows][parts];
#pragma GCC unroll 4
  for (int row = 0; row < rows; ++row)
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part)
      kept[row][part] = multiply(load(sums + row * sums_stride + part * kLanes), broadcast(scales[row]));
  for (std::int64_t first = 0; first < values.num_tokens; first += kBlockSize) {
    const auto* at = values.blocks[first / kBlockSize] + d;
    const std::int64_t last = std::min<std::int64_t>(first + kBlockSize, values.num_tokens);
    for (std::int64_t token = first; token < last; ++token, at += values.stride) {
      if (rows <= kFewRows) ahead.bring_near((parts * kLanes + Number::kOfLine - 1) / Number::kOfLine);
#pragma GCC unroll 4
      for (int part = 0; part < parts; ++part) {
        const Floats value = Number::load(at + part * kLanes);
#pragma GCC unroll 4
        for (int row = 0; row < rows; ++row)
          kept[row][part] = multiply_add(broadcast(weights[row * kSpan + token]), value, kept[row][part]);
      }
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < rows; ++row)
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part) store(sums + row * sums_stride + part * kLanes, kept[row][part]);
}

template <class Number, int rows>
inline void add_rows(const Values<Number>& values, std::int64_t size, const float* weights, const float* scales,
                     float* sums, LinesAhead& ahead) {
  const std::int64_t padded = whole_vectors(size);
  std::int64_t d = 0;
  for (; d + kLanesTogether * kLanes <= padded; d += kLanesTogether * kLanes)
    add_some<Number, rows, kLanesTogether>(values, d, weights, scales, sums + d, padded, ahead);
  for (; d < padded; d += kLanes) add_some<Number, rows, 1>(values, d, weights, scales, sums + d, padded, ahead);
}

// Multiplies sums of rows, [rows][padded head size], with a scale for each, and adds weights times values.
template <class Number>
inline void add_values(const Values<Number>& values, std::int64_t size, const float* weights, const float* scales,
                       std::int64_t num_rows, float* sums, LinesAhead& ahead) {
  const std::int64_t padded = whole_vectors(size);
  std::int64_t row = 0;
  for (; row + kRowsTogether <= num_rows; row += kRowsTogether)
    add_rows<Number, kRowsTogether>(values, size, weights + row * kSpan, scales + row, sums + row * padded, ahead);
  for (; row < num_rows; ++row)
    add_rows<Number, 1>(values, size, weights + row * kSpan, scales + row, sums + row * padded, ahead);
}

}  // namespace runstream
