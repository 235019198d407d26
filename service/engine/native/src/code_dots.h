// Sums of codes times a row's numbers of 16 bits, for the 16 outputs of a panel. They are of 32 bits and exact, so each way
// to compute them gives the same bits.
//
// Where a processor multiplies bytes (VNNI), a number is two digits, 256 * high + low, and each is summed for itself.
// Elsewhere codes are widened to 16 bits.
#pragma once

#include <cstdint>
#include <cstring>

#include "code_vectors.h"

#if defined(RUNSTREAM_AVX512) && defined(__AVX512VNNI__)
#define RUNSTREAM_BYTE_DOTS 1
#elif !defined(RUNSTREAM_AVX512) && defined(RUNSTREAM_AVX2) && defined(__AVXVNNI__)
#define RUNSTREAM_BYTE_DOTS 1
#endif

namespace runstream {

// How many sums stay in registers.
#if defined(RUNSTREAM_AVX512)
constexpr int kMaxDots = 8;
#elif defined(RUNSTREAM_BYTE_DOTS)
constexpr int kMaxDots = 4;
#else
constexpr int kMaxDots = 4;
#endif

// The largest number that has two digits of a signed byte: 127 * 256 + 127.
constexpr float kLargestNumber = 32639.0F;

// A quad of a row, in the order in which `add_products` takes it.
struct RowQuad {
  std::int16_t halves[kQuad];
};

inline std::int32_t half_of_quad(const RowQuad* quad, int half) {
  std::int32_t bits;
  std::memcpy(&bits, quad->halves + 2 * half, sizeof bits);
  return bits;
}

#if defined(RUNSTREAM_BYTE_DOTS)

// Bytes: the high digits of four inputs, then the low ones.
inline void write_quads(const std::int32_t* numbers, std::int64_t count, RowQuad* quads) {
  auto* bytes = reinterpret_cast<std::int8_t*>(quads);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t high = (numbers[i] + 128) >> 8;
    bytes[i / kQuad * 2 * kQuad + i % kQuad] = static_cast<std::int8_t>(high);
    bytes[i / kQuad * 2 * kQuad + kQuad + i % kQuad] = static_cast<std::int8_t>(numbers[i] - high * 256);
  }
}

#else

// Inputs 0, 2, 1, 3: the even ones are in the lower bytes of a lane's halves, the odd ones in the higher.
inline void write_quads(const std::int32_t* numbers, std::int64_t count, RowQuad* quads) {
  for (std::int64_t i = 0; i < count; i += kQuad) {
    quads[i / kQuad] = {{static_cast<std::int16_t>(numbers[i]), static_cast<std::int16_t>(numbers[i + 2]),
                         static_cast<std::int16_t>(numbers[i + 1]), static_cast<std::int16_t>(numbers[i + 3])}};
  }
}

#endif

#if defined(RUNSTREAM_AVX512)

#if defined(RUNSTREAM_BYTE_DOTS)

using WideCodes = Codes;
inline WideCodes widen(Codes codes) { return codes; }

// As _mm512_dpbusd_epi32, whose sums GCC moves from register to register and through memory.
inline __m512i add_byte_products(__m512i sums, __m512i codes, __m512i numbers) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(numbers));
  return sums;
}

struct Dots {
  __m512i high, low;
};
inline Dots dots_from(std::int32_t start) { return {_mm512_setzero_si512(), _mm512_set1_epi32(start)}; }
inline Dots add_products(Dots sums, const WideCodes& codes, const RowQuad* quad) {
  return {add_byte_products(sums.high, codes.it, _mm512_set1_epi32(half_of_quad(quad, 0))),
          add_byte_products(sums.low, codes.it, _mm512_set1_epi32(half_of_quad(quad, 1)))};
}
inline Floats floats_of(Dots sums) {
  return {_mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(sums.high, 8), sums.low))};
}

#else

struct WideCodes {
  __m512i even, odd;
};
inline WideCodes widen(Codes codes) {
  return {_mm512_and_si512(codes.it, _mm512_set1_epi16(255)), _mm512_srli_epi16(codes.it, 8)};
}

struct Dots {
  __m512i sum;
};
inline Dots dots_from(std::int32_t start) { return {_mm512_set1_epi32(start)}; }
inline Dots add_products(Dots sums, const WideCodes& codes, const RowQuad* quad) {
  const __m512i even = _mm512_madd_epi16(codes.even, _mm512_set1_epi32(half_of_quad(quad, 0)));
  const __m512i odd = _mm512_madd_epi16(codes.odd, _mm512_set1_epi32(half_of_quad(quad, 1)));
  return {_mm512_add_epi32(sums.sum, _mm512_add_epi32(even, odd))};
}
inline Floats floats_of(Dots sums) { return {_mm512_cvtepi32_ps(sums.sum)}; }

#endif

#elif defined(RUNSTREAM_AVX2)

#if defined(RUNSTREAM_BYTE_DOTS)

using WideCodes = Codes;
inline WideCodes widen(Codes codes) { return codes; }

struct Dots {
  __m256i high[2], low[2];  // of the digits, 8 outputs each
};
inline Dots dots_from(std::int32_t start) {
  const __m256i none = _mm256_setzero_si256(), all = _mm256_set1_epi32(start);
  return {{none, none}, {all, all}};
}
inline Dots add_products(Dots sums, const WideCodes& codes, const RowQuad* quad) {
  const __m256i high = _mm256_set1_epi32(half_of_quad(quad, 0)), low = _mm256_set1_epi32(half_of_quad(quad, 1));
  return {{_mm256_dpbusd_avx_epi32(sums.high[0], codes.low, high), _mm256_dpbusd_avx_epi32(sums.high[1], codes.high, high)},
          {_mm256_dpbusd_avx_epi32(sums.low[0], codes.low, low), _mm256_dpbusd_avx_epi32(sums.low[1], codes.high, low)}};
}
inline Floats floats_of(Dots sums) {
  return {_mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(sums.high[0], 8), sums.low[0])),
          _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(sums.high[1], 8), sums.low[1]))};
}

#else

struct WideCodes {
  __m256i even[2], odd[2];
};
inline WideCodes widen(Codes codes) {
  const __m256i mask = _mm256_set1_epi16(255);
  return {{_mm256_and_si256(codes.low, mask), _mm256_and_si256(codes.high, mask)},
          {_mm256_srli_epi16(codes.low, 8), _mm256_srli_epi16(codes.high, 8)}};
}

struct Dots {
  __m256i low, high;
};
inline Dots dots_from(std::int32_t start) { return {_mm256_set1_epi32(start), _mm256_set1_epi32(start)}; }
inline __m256i add_half(__m256i sum, __m256i even_codes, __m256i odd_codes, __m256i even, __m256i odd) {
  const __m256i products = _mm256_add_epi32(_mm256_madd_epi16(even_codes, even), _mm256_madd_epi16(odd_codes, odd));
  return _mm256_add_epi32(sum, products);
}
inline Dots add_products(Dots sums, const WideCodes& codes, const RowQuad* quad) {
  const __m256i even = _mm256_set1_epi32(half_of_quad(quad, 0)), odd = _mm256_set1_epi32(half_of_quad(quad, 1));
  return {add_half(sums.low, codes.even[0], codes.odd[0], even, odd),
          add_half(sums.high, codes.even[1], codes.odd[1], even, odd)};
}
inline Floats floats_of(Dots sums) { return {_mm256_cvtepi32_ps(sums.low), _mm256_cvtepi32_ps(sums.high)}; }

#endif

#else

using WideCodes = Codes;
inline WideCodes widen(Codes codes) { return codes; }

struct Dots {
  std::int32_t lanes[kLanes];
};
inline Dots dots_from(std::int32_t start) {
  Dots made;
  for (std::int32_t& lane : made.lanes) lane = start;
  return made;
}
inline Dots add_products(Dots sums, const WideCodes& codes, const RowQuad* quad) {
  const std::int16_t* of = quad->halves;
  for (int i = 0; i < kLanes; ++i) {
    const std::uint8_t* code = codes.bytes + i * kQuad;
    sums.lanes[i] += code[0] * of[0] + code[1] * of[2] + code[2] * of[1] + code[3] * of[3];
  }
  return sums;
}
inline Floats floats_of(Dots sums) {
  return lanes_of([&](int i) { return static_cast<float>(sums.lanes[i]); });
}

#endif

}  // namespace runstream
