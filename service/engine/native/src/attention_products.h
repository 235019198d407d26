// The products of attention: queries by keys, and weights by values, for a tile of rows and a span of tokens.
//
// Every sum adds its terms one by one, over the head's numbers or over the tokens, whatever rows are computed beside it.
#pragma once

#include "attention.h"
#include "transpose.h"

namespace runstream {

#if defined(RUNSTREAM_AVX512)
constexpr int kRowsTogether = 4, kLanesTogether = 4;  // 16 sums in registers
#else
constexpr int kRowsTogether = 2, kLanesTogether = 2;
#endif

// Reads a block's keys of one head so that tokens are lanes: [head size][16 tokens].
//
// It reads up to 15 numbers behind a head, which are another head's or the scratch block's; they come to no place in
// `keys` that is read.
template <class Number>
inline void read_keys(const typename Number::Bits* at, std::int64_t stride, std::int64_t size, float* keys) {
  for (std::int64_t d = 0; d < size; d += kLanes) {
    Floats tokens[kLanes];
    for (int token = 0; token < kBlockSize; ++token) tokens[token] = Number::load(at + token * stride + d);
    transpose(tokens);
    for (int i = 0; i < kLanes; ++i) store(keys + (d + i) * kLanes, tokens[i]);
  }
}

template <int rows, int blocks>
inline void score_some(const float* const* queries, const float* keys, std::int64_t size, float* scores) {
  Floats sums[rows][blocks];
  for (auto& row : sums)
    for (Floats& sum : row) sum = zeros();
  for (std::int64_t d = 0; d < size; ++d)
    for (int block = 0; block < blocks; ++block) {
      const Floats key = load(keys + (block * whole_vectors(size) + d) * kLanes);
      for (int row = 0; row < rows; ++row) sums[row][block] = multiply_add(broadcast(queries[row][d]), key, sums[row][block]);
    }
  for (int row = 0; row < rows; ++row)
    for (int block = 0; block < blocks; ++block) store(scores + row * kSpan + block * kLanes, sums[row][block]);
}

template <int rows>
inline void score_rows(const float* const* queries, const float* keys, std::int64_t size, std::int64_t num_blocks,
                       float* scores) {
  const std::int64_t step = whole_vectors(size) * kLanes;
  std::int64_t block = 0;
  for (; block + kLanesTogether <= num_blocks; block += kLanesTogether)
    score_some<rows, kLanesTogether>(queries, keys + block * step, size, scores + block * kLanes);
  for (; block < num_blocks; ++block)
    score_some<rows, 1>(queries, keys + block * step, size, scores + block * kLanes);
}

// Scores of rows with a span's tokens: [rows][64].
inline void score(const float* const* queries, std::int64_t num_rows, const float* keys, std::int64_t size,
                  std::int64_t num_blocks, float* scores) {
  std::int64_t row = 0;
  for (; row + kRowsTogether <= num_rows; row += kRowsTogether)
    score_rows<kRowsTogether>(queries + row, keys, size, num_blocks, scores + row * kSpan);
  for (; row < num_rows; ++row) score_rows<1>(queries + row, keys, size, num_blocks, scores + row * kSpan);
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
                     float* sums, std::int64_t sums_stride) {
  Floats kept[rows][parts];
  for (int row = 0; row < rows; ++row)
    for (int part = 0; part < parts; ++part)
      kept[row][part] = multiply(load(sums + row * sums_stride + part * kLanes), broadcast(scales[row]));
  for (std::int64_t token = 0; token < values.num_tokens; ++token) {
    const auto* at = values.blocks[token / kBlockSize] + token % kBlockSize * values.stride + d;
    for (int part = 0; part < parts; ++part) {
      const Floats value = Number::load(at + part * kLanes);
      for (int row = 0; row < rows; ++row)
        kept[row][part] = multiply_add(broadcast(weights[row * kSpan + token]), value, kept[row][part]);
    }
  }
  for (int row = 0; row < rows; ++row)
    for (int part = 0; part < parts; ++part) store(sums + row * sums_stride + part * kLanes, kept[row][part]);
}

template <class Number, int rows>
inline void add_rows(const Values<Number>& values, std::int64_t size, const float* weights, const float* scales,
                     float* sums) {
  const std::int64_t padded = whole_vectors(size);
  std::int64_t d = 0;
  for (; d + kLanesTogether * kLanes <= padded; d += kLanesTogether * kLanes)
    add_some<Number, rows, kLanesTogether>(values, d, weights, scales, sums + d, padded);
  for (; d < padded; d += kLanes) add_some<Number, rows, 1>(values, d, weights, scales, sums + d, padded);
}

// Multiplies sums of rows, [rows][padded head size], with a scale for each, and adds weights times values.
template <class Number>
inline void add_values(const Values<Number>& values, std::int64_t size, const float* weights, const float* scales,
                       std::int64_t num_rows, float* sums) {
  const std::int64_t padded = whole_vectors(size);
  std::int64_t row = 0;
  for (; row + kRowsTogether <= num_rows; row += kRowsTogether)
    add_rows<Number, kRowsTogether>(values, size, weights + row * kSpan, scales + row, sums + row * padded);
  for (; row < num_rows; ++row)
    add_rows<Number, 1>(values, size, weights + row * kSpan, scales + row, sums + row * padded);
}

}  // namespace runstream
