// Weights into panels, and out of them.
#pragma once

#include <cstdint>

#include "matrix.h"

namespace runstream {

// Writes outputs of a packed matrix as plain numbers, an embedding's rows: [num_ids][stride].
// Needs no region; several threads may share the ids.
void take_outputs(const Matrix& matrix, const std::int64_t* ids, std::int64_t num_ids, float* out, std::int64_t stride);

}  // namespace runstream

extern "C" {

// Writes [num_outputs][inputs] in the format's own type (float, or 16 bits) to the panels of a matrix, whose memory was
// zeros, as its outputs from `first_output` on.
void runstream_pack(const runstream::Matrix* matrix, const void* weight, std::int64_t first_output,
                    std::int64_t num_outputs, std::int32_t num_threads);

// Writes outputs' weights as floats, [num_ids][inputs]; 0 if there is no such output, else 1.
std::int32_t runstream_take_outputs(const runstream::Matrix* matrix, const std::int64_t* ids, std::int64_t num_ids,
                                    float* out, std::int32_t num_threads);

// What native/library.py asks before anything else.
std::int64_t runstream_matrix_bytes();
std::int32_t runstream_has_bfloat16_dot();
}
