// Codes of 4 inputs by the 16 outputs of a panel, [16 outputs][4 inputs] of a byte each, in vectors.
#pragma once

#include <cstdint>
#include <cstring>

#include "vectors.h"

namespace runstream {

constexpr int kQuad = 4;  // inputs whose codes lie side by side
constexpr int kQuadBytes = kLanes * kQuad;

// By how much `centred` is too large. That a byte lies in the highest place of a lane gives it its sign.
constexpr float kCentredUnit = 0x1p24F;

#if defined(RUNSTREAM_AVX512)

struct Codes {
  __m512i it;
};

inline Codes load_codes(const std::uint8_t* from) { return {_mm512_loadu_si512(from)}; }
inline Codes low_nibbles(Codes pairs) { return {_mm512_and_si512(pairs.it, _mm512_set1_epi8(15))}; }
inline Codes high_nibbles(Codes pairs) { return low_nibbles({_mm512_srli_epi16(pairs.it, 4)}); }
inline Codes subtract(Codes codes, int centre) {
  return {_mm512_sub_epi8(codes.it, _mm512_set1_epi8(static_cast<char>(centre)))};
}

#elif defined(RUNSTREAM_AVX2)

struct Codes {
  __m256i low, high;  // 8 outputs each
};

inline Codes load_codes(const std::uint8_t* from) {
  const auto* halves = reinterpret_cast<const __m256i*>(from);
  return {_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1)};
}
inline Codes low_nibbles(Codes pairs) {
  const __m256i mask = _mm256_set1_epi8(15);
  return {_mm256_and_si256(pairs.low, mask), _mm256_and_si256(pairs.high, mask)};
}
inline Codes high_nibbles(Codes pairs) {
  return low_nibbles({_mm256_srli_epi16(pairs.low, 4), _mm256_srli_epi16(pairs.high, 4)});
}
inline Codes subtract(Codes codes, int centre) {
  const __m256i all = _mm256_set1_epi8(static_cast<char>(centre));
  return {_mm256_sub_epi8(codes.low, all), _mm256_sub_epi8(codes.high, all)};
}

#else

struct Codes {
  std::uint8_t bytes[kQuadBytes];
};

template <class Byte>
inline Codes codes_of(const Byte& byte) {
  Codes made;
  for (int i = 0; i < kQuadBytes; ++i) made.bytes[i] = static_cast<std::uint8_t>(byte(i));
  return made;
}

inline Codes load_codes(const std::uint8_t* from) {
  return codes_of([&](int i) { return from[i]; });
}
inline Codes low_nibbles(Codes pairs) {
  return codes_of([&](int i) { return pairs.bytes[i] & 15; });
}
inline Codes high_nibbles(Codes pairs) {
  return codes_of([&](int i) { return pairs.bytes[i] >> 4; });
}
inline Codes subtract(Codes codes, int centre) {
  return codes_of([&](int i) { return codes.bytes[i] - centre; });
}

#endif

inline Floats load_uint8(const std::uint8_t* from) {
#if defined(RUNSTREAM_AVX512)
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))))};
#elif defined(RUNSTREAM_AVX2)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
#else
  return lanes_of([&](int i) { return static_cast<float>(from[i]); });
#endif
}

#if defined(RUNSTREAM_AVX512) || defined(RUNSTREAM_AVX2)

// Moves one of each lane's four bytes to the highest place, and zeros to the others.
inline __m128i top_byte(int input) {
  constexpr int kZeros = 0x808080;
  return _mm_set_epi32((12 + input) << 24 | kZeros, (8 + input) << 24 | kZeros, (4 + input) << 24 | kZeros,
                       input << 24 | kZeros);
}

#endif

// The codes of one of the four inputs, which have a sign since `subtract`, as floats times kCentredUnit.
inline Floats floats_of(Codes codes, int input) {
#if defined(RUNSTREAM_AVX512)
  return {_mm512_cvtepi32_ps(_mm512_shuffle_epi8(codes.it, _mm512_broadcast_i32x4(top_byte(input))))};
#elif defined(RUNSTREAM_AVX2)
  const __m256i places = _mm256_broadcastsi128_si256(top_byte(input));
  return {_mm256_cvtepi32_ps(_mm256_shuffle_epi8(codes.low, places)),
          _mm256_cvtepi32_ps(_mm256_shuffle_epi8(codes.high, places))};
#else
  return lanes_of([&](int i) {
    return static_cast<float>(static_cast<std::int8_t>(codes.bytes[i * kQuad + input])) * kCentredUnit;
  });
#endif
}

}  // namespace runstream
