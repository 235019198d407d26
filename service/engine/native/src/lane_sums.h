// Sums over the lanes of sixteen vectors at once, of which each has a lane in the end.
//
// Lanes are added in pairs: 8 apart, then 4, 2 and 1. `sum_in_pairs` adds sixteen numbers in the same order.
#pragma once

#include "vectors.h"

namespace runstream {

// Adds the lanes that are 8, 4, 2 or 1 apart of two vectors, whose sums are in halves of what it gives.
template <int apart>
inline Floats add_lanes(Floats first, Floats second);

#if defined(RUNSTREAM_AVX512)

template <>
inline Floats add_lanes<8>(Floats first, Floats second) {
  return {_mm512_add_ps(_mm512_shuffle_f32x4(first.it, second.it, 0x44), _mm512_shuffle_f32x4(first.it, second.it, 0xee))};
}
template <>
inline Floats add_lanes<4>(Floats first, Floats second) {
  return {_mm512_add_ps(_mm512_shuffle_f32x4(first.it, second.it, 0x88), _mm512_shuffle_f32x4(first.it, second.it, 0xdd))};
}
template <>
inline Floats add_lanes<2>(Floats first, Floats second) {
  return {_mm512_add_ps(_mm512_shuffle_ps(first.it, second.it, 0x44), _mm512_shuffle_ps(first.it, second.it, 0xee))};
}
template <>
inline Floats add_lanes<1>(Floats first, Floats second) {
  return {_mm512_add_ps(_mm512_shuffle_ps(first.it, second.it, 0x88), _mm512_shuffle_ps(first.it, second.it, 0xdd))};
}

#elif defined(RUNSTREAM_AVX2)

inline __m256 add_quarters(__m256 first, __m256 second) {
  return _mm256_add_ps(_mm256_permute2f128_ps(first, second, 0x20), _mm256_permute2f128_ps(first, second, 0x31));
}
template <int low, int high>
inline Floats add_shuffled(Floats first, Floats second) {
  return {_mm256_add_ps(_mm256_shuffle_ps(first.low, second.low, low), _mm256_shuffle_ps(first.low, second.low, high)),
          _mm256_add_ps(_mm256_shuffle_ps(first.high, second.high, low), _mm256_shuffle_ps(first.high, second.high, high))};
}
template <>
inline Floats add_lanes<8>(Floats first, Floats second) {
  return {_mm256_add_ps(first.low, first.high), _mm256_add_ps(second.low, second.high)};
}
template <>
inline Floats add_lanes<4>(Floats first, Floats second) {
  return {add_quarters(first.low, first.high), add_quarters(second.low, second.high)};
}
template <>
inline Floats add_lanes<2>(Floats first, Floats second) {
  return add_shuffled<0x44, 0xee>(first, second);
}
template <>
inline Floats add_lanes<1>(Floats first, Floats second) {
  return add_shuffled<0x88, 0xdd>(first, second);
}

#else

template <>
inline Floats add_lanes<8>(Floats first, Floats second) {
  return lanes_of([&](int i) { return (i < 8 ? first : second).lanes[i % 8] + (i < 8 ? first : second).lanes[i % 8 + 8]; });
}
template <>
inline Floats add_lanes<4>(Floats first, Floats second) {
  return lanes_of([&](int i) {
    const float* from = (i < 8 ? first : second).lanes + i % 8 / 4 * 8 + i % 4;
    return from[0] + from[4];
  });
}
template <>
inline Floats add_lanes<2>(Floats first, Floats second) {
  return lanes_of([&](int i) {
    const float* from = (i % 4 < 2 ? first : second).lanes + i / 4 * 4 + i % 2;
    return from[0] + from[2];
  });
}
template <>
inline Floats add_lanes<1>(Floats first, Floats second) {
  return lanes_of([&](int i) {
    const float* from = (i % 4 < 2 ? first : second).lanes + i / 4 * 4 + i % 2 * 2;
    return from[0] + from[1];
  });
}

#endif

// The sums over all lanes of sixteen vectors: lane i has that of vector i.
inline Floats sums_of_lanes(Floats (&vectors)[kLanes]) {
  // Where a vector's sum comes to lie hangs on the step in which it is joined to another.
#pragma GCC unroll 4
  for (const int i : {0, 1, 2, 3}) {
    Floats* const four = vectors + i;
    const Floats first = add_lanes<8>(four[0], four[4]), second = add_lanes<8>(four[8], four[12]);
    vectors[i] = add_lanes<4>(first, second);
  }
  return add_lanes<1>(add_lanes<2>(vectors[0], vectors[1]), add_lanes<2>(vectors[2], vectors[3]));
}

// The sum of number(0) ... number(15) for some rows, in every lane, in the order in which lanes are added.
template <int rows>
struct Together {
  Floats of[rows];
};

template <int rows>
inline Together<rows> add(const Together<rows>& first, const Together<rows>& second) {
  Together<rows> sum;
#pragma GCC unroll 8
  for (int row = 0; row < rows; ++row) sum.of[row] = add(first.of[row], second.of[row]);
  return sum;
}

// Writes sums to memory at once: the compiler may neither put it off nor keep them in registers.
template <int rows>
inline void keep(const Together<rows>& sums, float* at) {
#pragma GCC unroll 8
  for (int row = 0; row < rows; ++row) store(at + row * kLanes, sums.of[row]);
  asm volatile("" : : "r"(at) : "memory");
}

template <int rows>
inline Together<rows> kept(const float* at) {
  Together<rows> sums;
#pragma GCC unroll 8
  for (int row = 0; row < rows; ++row) sums.of[row] = load(at + row * kLanes);
  return sums;
}

template <int rows, int apart = 1, class Number>
[[gnu::always_inline]] inline Together<rows> sum_in_pairs(const Number& number, int index = 0) {
  if constexpr (apart == 16) {
    return number(index);
#if defined(RUNSTREAM_AVX2)
  } else if constexpr (apart == 1) {
    // A loop, or the code of a few kernels would fill the processor's cache of decoded instructions.
    float fours[4][rows * kLanes];
#pragma GCC unroll 1
    for (int i = 0; i < 4; ++i) keep(sum_in_pairs<rows, 4>(number, i), fours[i]);
    return add(add(kept<rows>(fours[0]), kept<rows>(fours[2])), add(kept<rows>(fours[1]), kept<rows>(fours[3])));
  } else {
    // What waits for the other half does so in memory: the compiler would keep parts of many sums in registers.
    float first[rows * kLanes];
    keep(sum_in_pairs<rows, 2 * apart>(number, index), first);
    const Together<rows> second = sum_in_pairs<rows, 2 * apart>(number, index + apart);
    return add(kept<rows>(first), second);
  }
#else
  } else {
    const Together<rows> first = sum_in_pairs<rows, 2 * apart>(number, index);
    return add(first, sum_in_pairs<rows, 2 * apart>(number, index + apart));
  }
#endif
}

}  // namespace runstream
