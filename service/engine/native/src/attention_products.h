// The products of attention: queries by keys, and weights by values, for a tile of rows and a span of tokens.
//
// The order of each sum is the same whatever rows are computed beside it. A score adds every sixteenth product of the
// head's numbers one by one, and these sixteen sums in pairs (lane_sums.h). Values are added token by token.
#pragma once

#include <type_traits>

#include "attention.h"
#include "attention_softmax.h"
#include "lane_sums.h"
#include "lines_ahead.h"
#include "parallel.h"
#include "transpose.h"

namespace runstream {

// The rows, and the vectors of each one's sums, that are in registers together: of many rows, and where there are few.
#if defined(RUNSTREAM_AVX512)
constexpr int kRowsTogether = 4, kLanesTogether = 4, kFewTogether = 4, kLanesOfFew = 4;
#elif defined(RUNSTREAM_AVX2)
constexpr int kRowsTogether = 6, kLanesTogether = 1, kFewTogether = 3, kLanesOfFew = 2;
#else
constexpr int kRowsTogether = 2, kLanesTogether = 2, kFewTogether = 2, kLanesOfFew = 2;
#endif

// Up to how many rows values are read as they lie, by each group of rows. For more they are kept as floats, side by side:
// tokens are so far apart that few have room in the first cache.
#if defined(RUNSTREAM_AVX512)
constexpr std::int64_t kRowsInPlace = kTileRows;
#else
constexpr std::int64_t kRowsInPlace = 8;
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

template <int rows, std::int64_t kSize>
inline void score_some(const float* const* queries, const float* keys, std::int64_t head_size, float* scores) {
  const std::int64_t size = kSize > 0 ? kSize : head_size;
  const float* at[rows];
#pragma GCC unroll 8
  for (int row = 0; row < rows; ++row) at[row] = queries[row];
  const auto products = [&](int first) __attribute__((always_inline)) {
    Together<rows> sums;
    // A head may have fewer numbers than there are sums.
    const Floats key = kSize > 0 || first < size ? load(keys + first * kLanes) : zeros();
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row) sums.of[row] = multiply(broadcast(at[row][first]), key);
#pragma GCC unroll 8
    for (std::int64_t d = first + kLanes; d < size; d += kLanes) {
      const Floats key = load(keys + d * kLanes);
#pragma GCC unroll 8
      for (int row = 0; row < rows; ++row) sums.of[row] = multiply_add(broadcast(at[row][d]), key, sums.of[row]);
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
#pragma GCC unroll 8
  for (int row = 0; row < rows; ++row)
#pragma GCC unroll 8
    for (int part = 0; part < parts; ++part)
      kept[row][part] = multiply(load(sums + row * padded + part * kLanes), broadcast(some.scales[row]));
  const std::int64_t num_tokens = some.seen[rows - 1];
  for (std::int64_t first = 0; first < num_tokens; first += kBlockSize) {
    const auto* at = values.at(first) + d;
    const std::int64_t last = std::min<std::int64_t>(first + kBlockSize, num_tokens);
    for (std::int64_t token = first; token < last; ++token, at += values.stride) {
#pragma GCC unroll 8
      for (int part = 0; part < parts; ++part) {
        const Floats value = Number::load(at + part * kLanes);
#pragma GCC unroll 8
        for (int row = 0; row < rows; ++row)
          kept[row][part] = multiply_add(broadcast(some.weights[row * kSpan + token]), value, kept[row][part]);
      }
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < rows; ++row)
#pragma GCC unroll 8
    for (int part = 0; part < parts; ++part) store(sums + row * padded + part * kLanes, kept[row][part]);
}

template <class Number, int rows, int parts>
inline void add_rows(const Values<typename Number::Bits>& values, std::int64_t padded, const WeighedRows& some) {
  std::int64_t d = 0;
  for (; d + parts * kLanes <= padded; d += parts * kLanes) add_some<Number, rows, parts>(values, d, some, padded);
  for (; d < padded; d += kLanes) add_some<Number, rows, 1>(values, d, some, padded);
}

// Calls `work` with a number up to `most` as a constant.
template <int most, class Work>
inline void with_constant(std::int64_t number, const Work& work) {
  if constexpr (most > 0) {
    if (number == most) return work(std::integral_constant<int, most>());
    with_constant<most - 1>(number, work);
  }
}

// Cuts rows into groups of nearly the same size, up to `most`, and calls `work` with each one's first row and its size.
template <int most, class Work>
inline void in_groups(std::int64_t count, const Work& work) {
  const int num_groups = static_cast<int>((count + most - 1) / most);
  for (int group = 0; group < num_groups; ++group) {
    const Range rows = share(count, group, num_groups);
    with_constant<most>(rows.last - rows.first, [&](auto size) { work(rows.first, size); });
  }
}

template <class Number, int most, int parts>
inline void add_groups(const Values<typename Number::Bits>& values, std::int64_t padded, const WeighedRows& all) {
  in_groups<most>(all.count, [&](std::int64_t row, auto rows) {
    add_rows<Number, rows, parts>(values, padded, all.from(row, padded));
  });
}

// Products in float32, of numbers that are stored in any way.
template <class Number>
struct FloatProducts {
  using Bits = typename Number::Bits;
  using Query = float;

  // Copies a query, as they are far apart; `room` is for a whole number of vectors, and gets zeros behind the query.
  static void take_query(const float* query, std::int64_t size, float* room, const float** taken) {
    std::fill(room + size, room + pair_room(size), 0.0F);
    copy_as<Float32>(query, size, room);
    *taken = room;
  }

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
    in_groups<kRowsTogether>(num_rows, [&](std::int64_t row, auto rows) {
      const auto score = size == 64    ? score_some<rows, 64>
                         : size == 128 ? score_some<rows, 128>
                                       : score_some<rows, 0>;
      score(queries + row, keys, size, scores + row * kSpan);
    });
  }

  // Turns a row's scores into weights; returns their sums, added to those of the spans before.
  static Floats weigh(float* scores, std::int64_t num_blocks, Floats maximum, Floats totals) {
    for (std::int64_t block = 0; block < num_blocks; ++block) {
      const Floats weight = exponential_below(subtract(load(scores + block * kLanes), maximum));
      store(scores + block * kLanes, weight);
      totals = add(totals, weight);
    }
    return totals;
  }

  // Multiplies sums of rows with a scale for each, and adds weights times values. `room` is for a span's values.
  static void add_values(const Values<Bits>& values, std::int64_t size, const WeighedRows& rows, float* room) {
    const std::int64_t padded = whole_vectors(size);
    if (rows.count <= kRowsInPlace) return add_groups<Number, kFewTogether, kLanesOfFew>(values, padded, rows);
    const float* blocks[kSpan / kBlockSize];
    for (std::int64_t token = 0; token < values.num_tokens; ++token) {
      float* const kept = room + token * padded;
      if (token % kBlockSize == 0) blocks[token / kBlockSize] = kept;
      const Bits* const at = values.at(token);
      for (std::int64_t d = 0; d < padded; d += kLanes) runstream::store(kept + d, Number::load(at + d));
    }
    add_groups<Float32, kRowsTogether, kLanesTogether>({blocks, padded, values.num_tokens}, padded, rows);
  }
};

}  // namespace runstream
