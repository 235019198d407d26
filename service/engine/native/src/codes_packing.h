// Codes of 8 and 4 bits into panels, and out of them.
#pragma once

#include <cstdint>

#include "matrix.h"

namespace runstream {

// Writes one output's weights as plain numbers, in the order of a row: [inputs].
void take_codes_output(const Matrix& matrix, std::int64_t output, float* out);

}  // namespace runstream

extern "C" {

// Writes all outputs into the panels, scales and zeros of a matrix, whose memory was zeros.
//
// codes: [outputs][inputs], in the order of the panels. scales: [outputs][groups]. zeros: the same, codes or offsets as the
// matrix's `zero_type` says; null for the centre.
void runstream_pack_codes(const runstream::Matrix* matrix, const std::uint8_t* codes, const float* scales,
                          const float* zeros, std::int32_t num_threads);
}
