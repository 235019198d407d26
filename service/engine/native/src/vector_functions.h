// More of what sixteen floats can do, for norms, activations and attention: each lane for itself.
#pragma once

#include <cmath>

#include "vectors.h"

namespace runstream {

#if defined(RUNSTREAM_AVX512)

inline Floats subtract(Floats left, Floats right) { return {_mm512_sub_ps(left.it, right.it)}; }
inline Floats divide(Floats left, Floats right) { return {_mm512_div_ps(left.it, right.it)}; }
inline Floats larger(Floats left, Floats right) { return {_mm512_max_ps(left.it, right.it)}; }
inline Floats smaller(Floats left, Floats right) { return {_mm512_min_ps(left.it, right.it)}; }
inline Floats where_less(Floats left, Floats right, Floats yes, Floats no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(left.it, right.it, _CMP_LT_OQ), no.it, yes.it)};
}
inline Floats rounded(Floats values) {
  return {_mm512_roundscale_ps(values.it, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Floats times_power_of_two(Floats values, Floats n) { return {_mm512_scalef_ps(values.it, n.it)}; }
inline void store_float16(std::uint16_t* to, Floats values) {
  const __m256i bits = _mm512_cvtps_ph(values.it, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bits);
}

#elif defined(RUNSTREAM_AVX2)

inline Floats subtract(Floats left, Floats right) {
  return {_mm256_sub_ps(left.low, right.low), _mm256_sub_ps(left.high, right.high)};
}
inline Floats divide(Floats left, Floats right) {
  return {_mm256_div_ps(left.low, right.low), _mm256_div_ps(left.high, right.high)};
}
inline Floats larger(Floats left, Floats right) {
  return {_mm256_max_ps(left.low, right.low), _mm256_max_ps(left.high, right.high)};
}
inline Floats smaller(Floats left, Floats right) {
  return {_mm256_min_ps(left.low, right.low), _mm256_min_ps(left.high, right.high)};
}
inline Floats where_less(Floats left, Floats right, Floats yes, Floats no) {
  return {_mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(left.low, right.low, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(left.high, right.high, _CMP_LT_OQ))};
}
inline Floats rounded(Floats values) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(values.low, kNearest), _mm256_round_ps(values.high, kNearest)};
}
inline __m256 power_of_two(__m256 n) {
  const __m256i exponents = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponents, 23));
}
inline Floats times_power_of_two(Floats values, Floats n) {
  return multiply(values, Floats{power_of_two(n.low), power_of_two(n.high)});
}
inline void store_float16(std::uint16_t* to, Floats values) {
  auto* halves = reinterpret_cast<__m128i*>(to);
  _mm_storeu_si128(halves, _mm256_cvtps_ph(values.low, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(values.high, _MM_FROUND_TO_NEAREST_INT));
}

#else

inline Floats subtract(Floats left, Floats right) {
  return lanes_of([&](int i) { return left.lanes[i] - right.lanes[i]; });
}
inline Floats divide(Floats left, Floats right) {
  return lanes_of([&](int i) { return left.lanes[i] / right.lanes[i]; });
}
// The larger of each two; the right one if either is NaN.
inline Floats larger(Floats left, Floats right) {
  return lanes_of([&](int i) { return left.lanes[i] > right.lanes[i] ? left.lanes[i] : right.lanes[i]; });
}
// The smaller of each two; the right one if either is NaN.
inline Floats smaller(Floats left, Floats right) {
  return lanes_of([&](int i) { return left.lanes[i] < right.lanes[i] ? left.lanes[i] : right.lanes[i]; });
}
inline Floats where_less(Floats left, Floats right, Floats yes, Floats no) {
  return lanes_of([&](int i) { return left.lanes[i] < right.lanes[i] ? yes.lanes[i] : no.lanes[i]; });
}
inline Floats rounded(Floats values) {
  return lanes_of([&](int i) { return __builtin_nearbyintf(values.lanes[i]); });
}
// values * 2^n, for whole n from -126 to 127.
inline Floats times_power_of_two(Floats values, Floats n) {
  return lanes_of([&](int i) {
    const bool is_number = n.lanes[i] == n.lanes[i];
    const std::int32_t bits = (is_number ? static_cast<std::int32_t>(n.lanes[i]) + 127 : 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return values.lanes[i] * power;
  });
}
inline void store_float16(std::uint16_t* to, Floats values) {
  for (int i = 0; i < kLanes; ++i) to[i] = float16_of_float(values.lanes[i]);
}

#endif

#if defined(RUNSTREAM_AVX2)

// As bfloat16_of_float rounds, each in 32 bits.
inline __m256i bfloat16_bits(__m256 values) {
  const __m256i bits = _mm256_castps_si256(values), high = _mm256_srli_epi32(bits, 16);
  const __m256i half = _mm256_add_epi32(_mm256_and_si256(high, _mm256_set1_epi32(1)), _mm256_set1_epi32(0x7fff));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
  const __m256i no_number = _mm256_castps_si256(_mm256_cmp_ps(values, values, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), no_number);
}
inline void store_bfloat16(std::uint16_t* to, Floats values) {
  const __m256i pairs = _mm256_packus_epi32(bfloat16_bits(values.low), bfloat16_bits(values.high));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(pairs, 0xd8));
}

#else

inline void store_bfloat16(std::uint16_t* to, Floats values) {
  float wide[kLanes];
  store(wide, values);
  round_to_bfloat16(wide, kLanes, to);
}

#endif

// A number of floats, rounded up to whole vectors.
inline std::int64_t whole_vectors(std::int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

// The first `count` of sixteen numbers in memory, and zeros.
inline Floats load_some(const float* from, std::int64_t count) {
  if (count >= kLanes) return load(from);
  float whole[kLanes] = {};
  std::memcpy(whole, from, static_cast<std::size_t>(count) * sizeof(float));
  return load(whole);
}

// Writes the first `count` lanes only.
inline void store_some(float* to, Floats values, std::int64_t count) {
  if (count >= kLanes) return store(to, values);
  float whole[kLanes];
  store(whole, values);
  std::memcpy(to, whole, static_cast<std::size_t>(count) * sizeof(float));
}

#if defined(RUNSTREAM_AVX2)

// The sum of all lanes, of halves, quarters and so on: in the same order on every processor.
inline float sum_of(Floats values) {
  const __m256 eight = _mm256_add_ps(values.low, values.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// The largest lane; what it is where one is NaN is not said.
inline float largest_of(Floats values) {
  const __m256 eight = _mm256_max_ps(values.low, values.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#else

// The sum of all lanes, of halves, quarters and so on: in the same order on every processor.
inline float sum_of(Floats values) {
  float lanes[kLanes];
  store(lanes, values);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

// The largest lane; what it is where one is NaN is not said.
inline float largest_of(Floats values) {
  float lanes[kLanes];
  store(lanes, values);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
  return lanes[0];
}

#endif

// e^x of what is not above 88.37, to within 2 units of the last place (Cephes' polynomial); 0 below -87.33, NaN of NaN.
inline Floats exponential_below(Floats x) {
  const Floats lowest = broadcast(-87.33F);
  const Floats within = larger(lowest, x);
  const Floats n = rounded(multiply(within, broadcast(1.44269504F)));
  // ln 2 in two parts, of which the first has so few bits that n times it is exact.
  const Floats r = multiply_add(n, broadcast(2.12194440e-4F), multiply_add(n, broadcast(-0.693359375F), within));
  constexpr float kCoefficients[] = {1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F, 1.6666665459e-1F, 0.5F};
  Floats power = broadcast(1.9875691500e-4F);
  for (const float coefficient : kCoefficients) power = multiply_add(power, r, broadcast(coefficient));
  power = add(multiply_add(power, multiply(r, r), r), broadcast(1.0F));
  return where_less(x, lowest, zeros(), times_power_of_two(power, n));
}

// e^x of any number, as above; infinite above 88.37.
inline Floats exponential(Floats x) {
  const Floats highest = broadcast(88.37F);
  return where_less(highest, x, broadcast(INFINITY), exponential_below(smaller(highest, x)));
}

}  // namespace runstream
