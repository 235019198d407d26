// Sixteen floats, the outputs of one panel, by the widest vectors that the compiler may use.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>
#define RUNSTREAM_AVX512 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>
#define RUNSTREAM_AVX2 1
#endif

#if defined(RUNSTREAM_AVX512) && defined(__AVX512BF16__)
#define RUNSTREAM_BFLOAT16_DOT 1
#endif

#include "matrix.h"

namespace runstream {

// Fused where the processor has that, else rounded twice; never left to the compiler (-ffp-contract=off).
inline float multiply_add(float left, float right, float sum) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__aarch64__)
  return __builtin_fmaf(left, right, sum);
#else
  return left * right + sum;
#endif
}

inline float float_of_bfloat16(std::uint16_t bits) {
  const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// To the nearest, ties to even, as torch and vcvtneps2bf16 round; what is no number stays none.
inline std::uint16_t bfloat16_of_float(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

inline float float_of_float16(std::uint16_t bits) {
#if defined(__aarch64__)
  __fp16 half;
  std::memcpy(&half, &bits, sizeof half);
  return half;
#else
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t rest = static_cast<std::uint32_t>(bits & 0x7fffU) << 13;
  // 2^112 moves the exponent's bias of 15 to 127, also of numbers below the smallest normal one.
  float value;
  std::memcpy(&value, &rest, sizeof value);
  value *= 0x1p112F;
  std::uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  if ((bits & 0x7c00U) == 0x7c00U) wide |= 0x7f800000U;
  wide |= sign;
  std::memcpy(&value, &wide, sizeof value);
  return value;
#endif
}

inline std::uint16_t float16_of_float(float value) {
#if defined(__F16C__)
  return static_cast<std::uint16_t>(_cvtss_sh(value, 0));
#elif defined(__aarch64__)
  const __fp16 half = static_cast<__fp16>(value);
  std::uint16_t bits;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
#else
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
  bits &= 0x7fffffffU;
  if (bits > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  if (bits >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // 65520 and more round to infinity
  if (bits >= 0x38800000U) {
    bits += 0xfffU + (bits >> 13 & 1U);
    return static_cast<std::uint16_t>(sign | (bits - 0x38000000U) >> 13);
  }
  // Below the smallest normal number, adding 0.5 lets the processor round to the last place of float16.
  float shifted;
  std::memcpy(&shifted, &bits, sizeof shifted);
  shifted += 0.5F;
  std::memcpy(&bits, &shifted, sizeof bits);
  return static_cast<std::uint16_t>(sign | (bits - 0x3f000000U));
#endif
}

#if defined(RUNSTREAM_AVX512)

struct Floats {
  __m512 it;
};

inline Floats zeros() { return {_mm512_setzero_ps()}; }
inline Floats broadcast(float value) { return {_mm512_set1_ps(value)}; }
inline Floats load(const float* from) { return {_mm512_loadu_ps(from)}; }
inline void store(float* to, Floats values) { _mm512_storeu_ps(to, values.it); }
inline Floats add(Floats left, Floats right) { return {_mm512_add_ps(left.it, right.it)}; }
inline Floats multiply(Floats left, Floats right) { return {_mm512_mul_ps(left.it, right.it)}; }
inline Floats multiply_add(Floats left, Floats right, Floats sum) {
  return {_mm512_fmadd_ps(left.it, right.it, sum.it)};
}
inline Floats load_float16(const std::uint16_t* from) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
}
inline Floats load_bfloat16(const std::uint16_t* from) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}

#elif defined(RUNSTREAM_AVX2)

struct Floats {
  __m256 low, high;
};

inline Floats zeros() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Floats broadcast(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
inline Floats load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline void store(float* to, Floats values) {
  _mm256_storeu_ps(to, values.low);
  _mm256_storeu_ps(to + 8, values.high);
}
inline Floats add(Floats left, Floats right) {
  return {_mm256_add_ps(left.low, right.low), _mm256_add_ps(left.high, right.high)};
}
inline Floats multiply(Floats left, Floats right) {
  return {_mm256_mul_ps(left.low, right.low), _mm256_mul_ps(left.high, right.high)};
}
inline Floats multiply_add(Floats left, Floats right, Floats sum) {
  return {_mm256_fmadd_ps(left.low, right.low, sum.low), _mm256_fmadd_ps(left.high, right.high, sum.high)};
}
inline Floats load_float16(const std::uint16_t* from) {
  const auto* halves = reinterpret_cast<const __m128i*>(from);
  return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
}
inline __m256 widen_bfloat16(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
inline Floats load_bfloat16(const std::uint16_t* from) {
  const auto* halves = reinterpret_cast<const __m128i*>(from);
  return {widen_bfloat16(_mm_loadu_si128(halves)), widen_bfloat16(_mm_loadu_si128(halves + 1))};
}

// Vectors of the even lanes and of the odd ones.
inline Floats load_bfloat16_pairs(const std::uint16_t* from) {
  const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  const __m256i odd = _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000U)));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)), _mm256_castsi256_ps(odd)};
}
inline Floats split_pairs(Floats lanes) {
  const auto both = [&](__m256 mixed) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
  };
  return {both(_mm256_shuffle_ps(lanes.low, lanes.high, 0x88)), both(_mm256_shuffle_ps(lanes.low, lanes.high, 0xdd))};
}
inline Floats join_pairs(Floats lanes) {
  const __m256 first = _mm256_unpacklo_ps(lanes.low, lanes.high), second = _mm256_unpackhi_ps(lanes.low, lanes.high);
  return {_mm256_permute2f128_ps(first, second, 0x20), _mm256_permute2f128_ps(first, second, 0x31)};
}

#else

// Loops of a known length, of which a compiler makes vectors of whatever width there is.
struct Floats {
  float lanes[kLanes];
};

template <class Lane>
inline Floats lanes_of(const Lane& lane) {
  Floats made;
  for (int i = 0; i < kLanes; ++i) made.lanes[i] = lane(i);
  return made;
}

inline Floats zeros() { return {}; }
inline Floats broadcast(float value) {
  return lanes_of([&](int) { return value; });
}
inline Floats load(const float* from) {
  return lanes_of([&](int i) { return from[i]; });
}
inline void store(float* to, Floats values) { std::memcpy(to, values.lanes, sizeof values.lanes); }
inline Floats add(Floats left, Floats right) {
  return lanes_of([&](int i) { return left.lanes[i] + right.lanes[i]; });
}
inline Floats multiply(Floats left, Floats right) {
  return lanes_of([&](int i) { return left.lanes[i] * right.lanes[i]; });
}
inline Floats multiply_add(Floats left, Floats right, Floats sum) {
  return lanes_of([&](int i) { return multiply_add(left.lanes[i], right.lanes[i], sum.lanes[i]); });
}
inline Floats load_float16(const std::uint16_t* from) {
  return lanes_of([&](int i) { return float_of_float16(from[i]); });
}
inline Floats load_bfloat16(const std::uint16_t* from) {
  return lanes_of([&](int i) { return float_of_bfloat16(from[i]); });
}

#endif

// Rounds `count` floats to bfloat16.
inline void round_to_bfloat16(const float* from, std::int64_t count, std::uint16_t* to) {
  std::int64_t i = 0;
#if defined(RUNSTREAM_BFLOAT16_DOT)
  for (; i + kLanes <= count; i += kLanes) {
    const auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), rounded);
  }
#endif
  for (; i < count; ++i) to[i] = bfloat16_of_float(from[i]);
}

}  // namespace runstream
