// The decoder of a llama-like model: all layers of one packed row of tokens in one call.
#pragma once

#include <cstdint>

#include "attention.h"
#include "matrix.h"
#include "row_functions.h"

namespace runstream {

// One layer. Layouts of these structures are those of native/decoder.py.
struct Layer {
  const Matrix* qkv;      // outputs: queries' heads, keys', values'
  const Matrix* output;
  const Matrix* gate_up;  // outputs: gates, then what they gate
  const Matrix* down;
  Norm input_norm;
  Norm query_norm;  // of each head, or none
  Norm key_norm;
  Norm mlp_norm;
  void* cache;          // see `Heads`
  std::int64_t window;  // see `Heads`
  float scaling;        // of scores
};

struct Decoder {
  const Layer* layers;
  std::int64_t num_layers;
  Norm last_norm;
  const Matrix* head;
  Stored cache_stored;
  std::int64_t num_heads;
  std::int64_t num_kv_heads;
  std::int64_t head_size;
  std::int64_t half_rotated;  // pairs of numbers of a head that are rotated
  std::int64_t max_rows;      // how many tokens go through the layers together
  std::int32_t num_threads;
  void* workspace;  // runstream_workspace_bytes, at a multiple of 64
};

struct Step {
  std::int64_t num_tokens;
  const float* embedded;             // [tokens][hidden size]
  const std::int64_t* positions;     // [tokens]: rows of `rotations`
  const float* rotations;            // [positions][2][half_rotated]: cosines, then sines
  const std::int64_t* slots;         // [tokens]: block * 16 + offset
  Sequences sequences;
  std::int64_t num_last;
  const std::int64_t* last;          // [num_last]: places whose logits are wanted
  float* last_rows;                  // [num_last][hidden size], to work with
  float* logits;                     // [num_last][vocabulary]
  void (*note_progress)();           // called at each layer
};

}  // namespace runstream

extern "C" {

std::int64_t runstream_workspace_bytes(const runstream::Decoder* decoder);

// Writes the step's keys and values to the cache, and the logits of the places that are wanted.
void runstream_decode(const runstream::Decoder* decoder, const runstream::Step* step);

// The sizes of Layer, Decoder and Step, 16 bits each, as native/decoder.py must have them too.
std::int64_t runstream_decoder_layout();

#if defined(RUNSTREAM_PHASES)
// Writes what each phase of the steps since the last call took, and begins anew.
void runstream_take_phases(double* seconds);
#endif
}
