// Exchanges rows and columns of 16 vectors of 16 floats.
#pragma once

#include "vectors.h"

namespace runstream {

#if defined(RUNSTREAM_AVX512)

inline void transpose(Floats (&rows)[kLanes]) {
  __m512 pairs[kLanes], fours[kLanes], eights[kLanes];
  for (int i = 0; i < kLanes; i += 2) {
    pairs[i] = _mm512_unpacklo_ps(rows[i].it, rows[i + 1].it);
    pairs[i + 1] = _mm512_unpackhi_ps(rows[i].it, rows[i + 1].it);
  }
  for (int i = 0; i < kLanes; i += 4) {
    fours[i] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    fours[i + 1] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    fours[i + 2] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    fours[i + 3] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    eights[i] = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0x88);
    eights[i + 4] = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0xdd);
    eights[i + 8] = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0x88);
    eights[i + 12] = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i].it = _mm512_shuffle_f32x4(eights[i], eights[i + 8], 0x88);
    rows[i + 8].it = _mm512_shuffle_f32x4(eights[i], eights[i + 8], 0xdd);
    rows[i + 4].it = _mm512_shuffle_f32x4(eights[i + 4], eights[i + 12], 0x88);
    rows[i + 12].it = _mm512_shuffle_f32x4(eights[i + 4], eights[i + 12], 0xdd);
  }
}

#elif defined(RUNSTREAM_AVX2)

inline void transpose_eight(__m256 (&rows)[8]) {
  __m256 pairs[8], fours[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
    rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
  }
}

inline void transpose(Floats (&rows)[kLanes]) {
  __m256 corners[4][8];
  for (int i = 0; i < 8; ++i) {
    corners[0][i] = rows[i].low;
    corners[1][i] = rows[i].high;
    corners[2][i] = rows[i + 8].low;
    corners[3][i] = rows[i + 8].high;
  }
  for (auto& corner : corners) transpose_eight(corner);
  for (int i = 0; i < 8; ++i) {
    rows[i] = {corners[0][i], corners[2][i]};
    rows[i + 8] = {corners[1][i], corners[3][i]};
  }
}

#else

inline void transpose(Floats (&rows)[kLanes]) {
  for (int i = 0; i < kLanes; ++i)
    for (int j = 0; j < i; ++j) {
      const float kept = rows[i].lanes[j];
      rows[i].lanes[j] = rows[j].lanes[i];
      rows[j].lanes[i] = kept;
    }
}

#endif

}  // namespace runstream
