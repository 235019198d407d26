// The products of attention: queries by keys, and weights by values, for a tile of rows and a span of tokens.
//
// The order of each sum is the same whatever rows are computed beside it. A score adds every sixteenth product of the
// head's numbers one by one, and these sixteen sums in pairs (lane_sums.h). Values are added token by token.
#pragma once

#include "attention.h"
#include "attention_softmax.h"
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

// A span's values as they are in memory: those of each block, from token to token a stride apart.
template <class Bits>
struct Values {
  const Bits* const* blocks;
  std::int64_t stride;
  std::int64_t num_tokens;

  const Bits* at(std::int64_t token) const { return blocks[token / kBlockSize] + token % kBlockSize * stride; }
};

// One KV head's rows in a span: what they weigh the tokens with, and what becomes of their sums.
struct WeighedRows {
  const float* weights;      // [rows][kSpan], in the form that products have given them
  const float* scales;       // [rows], which multiply the sums first
  const std::int64_t* seen;  // [rows], ascending: how many of the span's tokens each sees at most
  std::int64_t count;
  float* sums;               // [rows][padded head size]

  WeighedRows from(std::int64_t row, std::int64_t padded) const {
    return {weights + row * kSpan, scales + row, seen + row, count - row, sums + row * padded};
  }
};

// The first `count` lanes, and zeros.
inline Floats first_lanes(Floats values, std::int64_t count) {
  if (count >= kLanes) return values;
  float places[kLanes];
  for (int i = 0; i < kLanes; ++i) places[i] = static_cast<float>(i);
  return where_less(load(places), broadcast(static_cast<float>(count)), values, zeros());
}

// The tokens whose values are added together to a row that reads them in place. Even, as some are added in pairs.
constexpr std::int64_t kTokensTogether = 4;

// The scores of which a block's sums before their lanes are added are in memory, [16 tokens][16].
inline Floats sums_of_rows(const float* partial) {
  Floats sums[kLanes];
  for (int i = 0; i < kLanes; ++i) sums[i] = load(partial + i * kLanes);
  return sums_of_lanes(sums);
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

template <class Number, int rows, int parts>
inline void add_some(const Values<typename Number::Bits>& values, std::int64_t d, const WeighedRows& some,
                     std::int64_t padded) {
  Floats kept[rows][parts];
  float* const sums = some.sums + d;
#pragma GCC unroll 4
  for (int row = 0; row < rows; ++row)
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part)
      kept[row][part] = multiply(load(sums + row * padded + part * kLanes), broadcast(some.scales[row]));
  const std::int64_t num_tokens = some.seen[rows - 1];
  for (std::int64_t first = 0; first < num_tokens; first += kBlockSize) {
    const auto* at = values.at(first) + d;
    const std::int64_t last = std::min<std::int64_t>(first + kBlockSize, num_tokens);
    for (std::int64_t token = first; token < last; ++token, at += values.stride) {
#pragma GCC unroll 4
      for (int part = 0; part < parts; ++part) {
        const Floats value = Number::load(at + part * kLanes);
#pragma GCC unroll 4
        for (int row = 0; row < rows; ++row)
          kept[row][part] = multiply_add(broadcast(some.weights[row * kSpan + token]), value, kept[row][part]);
      }
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < rows; ++row)
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part) store(sums + row * padded + part * kLanes, kept[row][part]);
}

template <class Number, int rows>
inline void add_rows(const Values<typename Number::Bits>& values, std::int64_t padded, const WeighedRows& some) {
  std::int64_t d = 0;
  for (; d + kLanesTogether * kLanes <= padded; d += kLanesTogether * kLanes)
    add_some<Number, rows, kLanesTogether>(values, d, some, padded);
  for (; d < padded; d += kLanes) add_some<Number, rows, 1>(values, d, some, padded);
}

// Products in float32, of numbers that are stored in any way.
template <class Number>
struct FloatProducts {
  using Bits = typename Number::Bits;
  using Query = float;

  static void take_query(const float* query, std::int64_t, float*, const float** taken) { *taken = query; }

  // A row's products with a token's key, sixteen sums of them.
  //
  // It reads up to 15 numbers behind a head, which are another head's or the scratch block's, and then sets them to zero.
  [[gnu::always_inline]] static Floats score_of(const float* query, const Bits* key, std::int64_t size) {
    const std::int64_t whole = size / kLanes * kLanes;
    Floats sum = zeros();
    for (std::int64_t d = 0; d < whole; d += kLanes) sum = multiply_add(load(query + d), Number::load(key + d), sum);
    if (whole == size) return sum;
    const Floats rest = first_lanes(Number::load(key + whole), size - whole);
    return multiply_add(load_some(query + whole, size - whole), rest, sum);
  }

  // Adds `count` tokens' values, of which `first` is the place in the span, to the sums of a row.
  [[gnu::always_inline]] static void add_tokens(const Bits* const* values, std::int64_t from, std::int64_t count, std::int64_t first,
                         const float* weights, std::int64_t padded, float* sums) {
#pragma GCC unroll 4
    for (std::int64_t d = 0; d < padded; d += kLanes) {
      Floats sum = load(sums + d);
#pragma GCC unroll 4
      for (std::int64_t i = 0; i < count; ++i)
        sum = multiply_add(broadcast(weights[first + i]), Number::load(values[i] + from + d), sum);
      store(sums + d, sum);
    }
  }

  static void read_keys(const Bits* at, std::int64_t stride, std::int64_t size, float* keys, LinesAhead& ahead) {
    runstream::read_keys<Number>(at, stride, size, keys, ahead);
  }

  // Scores of rows with a block's tokens, whose keys have been read: [rows][16], a span apart.
  static void score(const float* const* queries, std::int64_t num_rows, const float* keys, std::int64_t size,
                    float* scores) {
    std::int64_t row = 0;
    for (; row + kRowsTogether <= num_rows; row += kRowsTogether)
      score_some<kRowsTogether>(queries + row, keys, size, scores + row * kSpan);
    for (; row < num_rows; ++row) score_some<1>(queries + row, keys, size, scores + row * kSpan);
  }

  // Turns a row's scores into weights; returns their sums, added to those of the spans before.
  static Floats weigh(float* scores, std::int64_t num_blocks, Floats maximum, Floats totals) {
    for (std::int64_t block = 0; block < num_blocks; ++block) {
      const Floats weight = exponential(subtract(load(scores + block * kLanes), maximum));
      store(scores + block * kLanes, weight);
      totals = add(totals, weight);
    }
    return totals;
  }

  // Multiplies sums of rows with a scale for each, and adds weights times values.
  static void add_values(const Values<Bits>& values, std::int64_t size, const WeighedRows& rows, float*) {
    const std::int64_t padded = whole_vectors(size);
    std::int64_t row = 0;
    for (; row + kRowsTogether <= rows.count; row += kRowsTogether)
      add_rows<Number, kRowsTogether>(values, padded, rows.from(row, padded));
    for (; row < rows.count; ++row) add_rows<Number, 1>(values, padded, rows.from(row, padded));
  }
};

}  // namespace runstream
