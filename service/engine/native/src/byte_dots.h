// Sums of codes times a row's numbers of 8 bits, as code_dots.h has them for 16. They are exact, too, so each way to
// compute them gives the same bits. Which numbers a row becomes hangs on `kLimitsPairs`.
#pragma once

#include "code_dots.h"

namespace runstream {

// The largest number of a row that is rounded to 8 bits; -128 is left out.
constexpr float kLargestByte = 127.0F;

// Where such numbers are kept as bytes.
#if defined(RUNSTREAM_AVX2) || defined(RUNSTREAM_BYTE_DOTS)
#define RUNSTREAM_BYTE_ROWS 1
#endif

// vpmaddubsw adds two products in 16 bits. Those of codes of 8 bits fit if the magnitudes of a pair's two numbers sum up to
// 128 at most: 255 * 128 < 2^15. So there the largest pair of a piece, and not its largest number, becomes 127.
#if defined(RUNSTREAM_BYTE_ROWS) && !defined(RUNSTREAM_BYTE_DOTS)
constexpr bool kLimitsPairs = true;
#else
constexpr bool kLimitsPairs = false;
#endif

#if defined(RUNSTREAM_BYTE_ROWS)

using ByteCodes = Codes;
inline ByteCodes codes_for_bytes(Codes codes) { return codes; }

// A quad of a row.
struct ByteQuad {
  std::int8_t numbers[kQuad];
};

inline void write_quads(const std::int32_t* numbers, std::int64_t count, ByteQuad* quads) {
  auto* bytes = reinterpret_cast<std::int8_t*>(quads);
  for (std::int64_t i = 0; i < count; ++i) bytes[i] = static_cast<std::int8_t>(numbers[i]);
}

inline std::int32_t bits_of_quad(const ByteQuad* quad) {
  std::int32_t bits;
  std::memcpy(&bits, quad, sizeof bits);
  return bits;
}

#endif

#if defined(RUNSTREAM_BYTE_DOTS) && defined(RUNSTREAM_AVX512)

struct ByteDots {
  __m512i sum;
};
inline ByteDots byte_dots_from(std::int32_t start) { return {_mm512_set1_epi32(start)}; }
inline ByteDots add_products(ByteDots sums, const ByteCodes& codes, const ByteQuad* quad) {
  return {add_byte_products(sums.sum, codes.it, _mm512_set1_epi32(bits_of_quad(quad)))};
}
inline Floats floats_of(ByteDots sums) { return {_mm512_cvtepi32_ps(sums.sum)}; }

#elif defined(RUNSTREAM_BYTE_ROWS)

struct ByteDots {
  __m256i low, high;  // 8 outputs each
};
inline ByteDots byte_dots_from(std::int32_t start) { return {_mm256_set1_epi32(start), _mm256_set1_epi32(start)}; }
inline __m256i add_byte_products(__m256i sums, __m256i codes, __m256i numbers) {
#if defined(RUNSTREAM_BYTE_DOTS)
  return _mm256_dpbusd_avx_epi32(sums, codes, numbers);
#else
  const __m256i pairs = _mm256_maddubs_epi16(codes, numbers);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}
inline ByteDots add_products(ByteDots sums, const ByteCodes& codes, const ByteQuad* quad) {
  const __m256i numbers = _mm256_set1_epi32(bits_of_quad(quad));
  return {add_byte_products(sums.low, codes.low, numbers), add_byte_products(sums.high, codes.high, numbers)};
}
inline Floats floats_of(ByteDots sums) { return {_mm256_cvtepi32_ps(sums.low), _mm256_cvtepi32_ps(sums.high)}; }

#else

// Codes are widened, as for numbers of 16 bits.
using ByteCodes = WideCodes;
inline ByteCodes codes_for_bytes(Codes codes) { return widen(codes); }

using ByteQuad = RowQuad;
using ByteDots = Dots;
inline ByteDots byte_dots_from(std::int32_t start) { return dots_from(start); }

#endif

}  // namespace runstream
