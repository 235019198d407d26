// The products of attention where keys and values are bfloat16 and the processor multiplies pairs of these.
//
// Queries and weights are rounded to bfloat16, sums are float32. A score adds every sixteenth pair of the head's numbers
// one by one, and these sixteen sums in pairs (lane_sums.h). Values are added in pairs of tokens, of which the first one's
// place in the span is even. So the order of each sum is the same whatever rows are computed beside it.
#pragma once

#include "attention_products.h"

#if defined(RUNSTREAM_BFLOAT16_DOT)

namespace runstream {

using Bits16 = std::uint16_t;
constexpr int kPairNumbers = 2 * kLanes;  // of a vector

inline Floats add_pairs(Floats sum, __m512i left, __m512i right) {
  return {_mm512_dpbf16_ps(sum.it, reinterpret_cast<__m512bh>(left), reinterpret_cast<__m512bh>(right))};
}

// The first `count` of 32 numbers in memory, and zeros; the others are not read.
inline __m512i load_numbers(const Bits16* from, std::int64_t count) {
  if (count >= kPairNumbers) return _mm512_loadu_si512(from);
  return _mm512_maskz_loadu_epi16((__mmask32{1} << count) - 1, from);
}

inline __m512i spread_pair(const Bits16* pair) {
  std::int32_t bits;
  std::memcpy(&bits, pair, sizeof bits);
  return _mm512_set1_epi32(bits);
}

inline __m512i rounded_pairs(Floats low, Floats high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high.it, low.it));
}

// Sixteen numbers of each of two tokens, side by side; zeros for a token that there is not.
inline __m512i beside(const Bits16* first, const Bits16* second) {
  const auto load = [](const Bits16* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); };
  const __m512i low = _mm512_zextsi256_si512(load(first));
  const __m512i both = second == nullptr ? low : _mm512_inserti64x4(low, load(second), 1);
  alignas(64) static constexpr Bits16 kOrder[] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), both);
}

template <int rows>
inline void score_pairs(const Bits16* const* queries, const float* keys, std::int64_t num_pairs, float* scores) {
  const auto products = [&](int first) __attribute__((always_inline)) {
    Together<rows> sums;
    for (Floats& sum : sums.of) sum = zeros();
    for (std::int64_t pair = first; pair < num_pairs; pair += kLanes) {
      const __m512i key = _mm512_loadu_si512(keys + pair * kLanes);
      for (int row = 0; row < rows; ++row) sums.of[row] = add_pairs(sums.of[row], key, spread_pair(queries[row] + 2 * pair));
    }
    return sums;
  };
  const Together<rows> sums = sum_in_pairs<rows>(products);
  for (int row = 0; row < rows; ++row) store(scores + row * kSpan, sums.of[row]);
}

// Adds a span to some sums of some rows. `pair_at(pair, part)` gives sixteen numbers of two tokens side by side.
template <int rows, int parts, class PairAt>
inline void add_pairs_of(const PairAt& pair_at, const WeighedRows& some, std::int64_t d, std::int64_t padded) {
  Floats kept[rows][parts];
  float* const sums = some.sums + d;
#pragma GCC unroll 4
  for (int row = 0; row < rows; ++row)
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part)
      kept[row][part] = multiply(load(sums + row * padded + part * kLanes), broadcast(some.scales[row]));
  const std::int64_t num_pairs = (some.seen[rows - 1] + 1) / 2;
  for (std::int64_t pair = 0; pair < num_pairs; ++pair) {
    __m512i values[parts];
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part) values[part] = pair_at(pair, d + part * kLanes);
#pragma GCC unroll 4
    for (int row = 0; row < rows; ++row) {
      const __m512i weights = spread_pair(reinterpret_cast<const Bits16*>(some.weights + row * kSpan) + 2 * pair);
#pragma GCC unroll 4
      for (int part = 0; part < parts; ++part) kept[row][part] = add_pairs(kept[row][part], values[part], weights);
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < rows; ++row)
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part) store(sums + row * padded + part * kLanes, kept[row][part]);
}

template <int rows, class PairAt>
inline void add_pairs_to(const PairAt& pair_at, const WeighedRows& some, std::int64_t padded) {
  std::int64_t d = 0;
  for (; d + kLanesTogether * kLanes <= padded; d += kLanesTogether * kLanes)
    add_pairs_of<rows, kLanesTogether>(pair_at, some, d, padded);
  for (; d < padded; d += kLanes) add_pairs_of<rows, 1>(pair_at, some, d, padded);
}

struct PairProducts {
  using Bits = Bits16;
  using Query = Bits16;

  // Rounds a query; `room` is for a whole number of vectors, and gets zeros behind the query.
  static void take_query(const float* query, std::int64_t size, Bits* room, const Bits** taken) {
    std::fill(room + size, room + pair_room(size), Bits{0});
    round_to_bfloat16(query, size, room);
    *taken = room;
  }

  [[gnu::always_inline]] static Floats score_of(const Bits* query, const Bits* key, std::int64_t size) {
    Floats sum = zeros();
    for (std::int64_t d = 0; d < size; d += kPairNumbers)
      sum = add_pairs(sum, load_numbers(key + d, size - d), _mm512_loadu_si512(query + d));
    return sum;
  }

  [[gnu::always_inline]] static void add_tokens(const Bits* const* values, std::int64_t from, std::int64_t count, std::int64_t first,
                         const float* weights, std::int64_t padded, float* sums) {
    const auto* const pairs = reinterpret_cast<const Bits*>(weights) + first;
#pragma GCC unroll 4
    for (std::int64_t d = 0; d < padded; d += kLanes) {
      Floats sum = load(sums + d);
#pragma GCC unroll 2
      for (std::int64_t i = 0; i < count; i += 2) {
        const __m512i both = beside(values[i] + from + d, i + 1 < count ? values[i + 1] + from + d : nullptr);
        sum = add_pairs(sum, both, spread_pair(pairs + i));
      }
      store(sums + d, sum);
    }
  }

  // Reads a block's keys of one head so that tokens are lanes: [head size / 2][16 tokens][2 numbers].
  static void read_keys(const Bits* at, std::int64_t stride, std::int64_t size, float* keys, LinesAhead& ahead) {
    for (std::int64_t d = 0; d < size; d += kPairNumbers) {
      Floats tokens[kLanes];
      for (int token = 0; token < kBlockSize; ++token)
        tokens[token].it = _mm512_castsi512_ps(load_numbers(at + token * stride + d, size - d));
      transpose(tokens);
      for (int i = 0; i < kLanes; ++i) store(keys + (d / 2 + i) * kLanes, tokens[i]);
      ahead.bring_near(2 * kBlockSize);
    }
  }

  static void score(const Bits* const* queries, std::int64_t num_rows, const float* keys, std::int64_t size,
                    float* scores) {
    const std::int64_t num_pairs = (size + 1) / 2;
    std::int64_t row = 0;
    for (; row + kRowsTogether <= num_rows; row += kRowsTogether)
      score_pairs<kRowsTogether>(queries + row, keys, num_pairs, scores + row * kSpan);
    for (; row < num_rows; ++row) score_pairs<1>(queries + row, keys, num_pairs, scores + row * kSpan);
  }

  // As in float32, but weights take the first half of the scores' room. What is summed is what was rounded.
  static Floats weigh(float* scores, std::int64_t num_blocks, Floats maximum, Floats totals) {
    const auto weight = [&](std::int64_t block) {
      return block < num_blocks ? exponential_below(subtract(load(scores + block * kLanes), maximum)) : zeros();
    };
    for (std::int64_t block = 0; block < num_blocks; block += 2) {
      const __m512i pairs = rounded_pairs(weight(block), weight(block + 1));
      _mm512_storeu_si512(scores + block * kLanes / 2, pairs);
      totals = add_pairs(totals, pairs, _mm512_set1_epi16(kOne));
    }
    return totals;
  }

  // `room` is for a span's values.
  static void add_values(const Values<Bits>& values, std::int64_t size, const WeighedRows& rows, float* room) {
    const std::int64_t padded = whole_vectors(size);
    const auto read = [&](std::int64_t pair, std::int64_t d) {
      const std::int64_t token = 2 * pair;
      return beside(values.at(token) + d, token + 1 < values.num_tokens ? values.at(token + 1) + d : nullptr);
    };
    for (std::int64_t pair = 0; pair < (values.num_tokens + 1) / 2; ++pair)
      for (std::int64_t d = 0; d < padded; d += kLanes)
        _mm512_storeu_si512(room + pair * padded + d, read(pair, d));
    const auto kept = [&](std::int64_t pair, std::int64_t d) { return _mm512_loadu_si512(room + pair * padded + d); };
    std::int64_t row = 0;
    for (; row + kRowsTogether <= rows.count; row += kRowsTogether)
      add_pairs_to<kRowsTogether>(kept, rows.from(row, padded), padded);
    for (; row < rows.count; ++row) add_pairs_to<1>(kept, rows.from(row, padded), padded);
  }

 private:
  static constexpr Bits kOne = 0x3f80;
};

}  // namespace runstream

#endif
