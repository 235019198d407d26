// Attention that reads the KV cache's blocks in place.
//
// A token's scores are computed, and its values added, in spans of 64 tokens that begin at multiples of 64, one after
// another, from the one in which its window begins. Softmax is online (Milakov and Gimelshein, arXiv:1805.02867), rescaled
// once a span. So the order of every sum hangs only on the token's place in its sequence. What a token doesn't see has the
// weight 0, which changes no sum, and what its sequence has not written is not read: bits are equal alone and in any
// company, however a prompt is cut into chunks, with any number of threads.
#pragma once

#include <atomic>
#include <cstdint>

#include "stored_numbers.h"

namespace runstream {

constexpr int kBlockSize = kLanes;  // the tokens of a block
constexpr int kSpan = 64;           // tokens whose scores are rescaled together

// Pairs of query and head that share the keys and values that are read. Measured on Zen 4, and on Zen 3 without AVX-512.
#if defined(RUNSTREAM_AVX512)
constexpr int kTileRows = 64;
#else
constexpr int kTileRows = 128;
#endif

// Sequences in a packed row of tokens.
struct Sequences {
  std::int64_t count;
  const std::int32_t* ends;         // [count]: behind which place of the row each one's tokens end
  const std::int32_t* lengths;      // [count]: tokens of each with the row's
  const std::int32_t* block_table;  // [count][columns], block ids
  std::int64_t columns;
};

// One layer's heads and its part of the KV cache: [blocks][16][2 * KV heads][head size], keys' heads, then values'.
struct Heads {
  std::int64_t num_heads;
  std::int64_t num_kv_heads;
  std::int64_t head_size;
  Stored stored;
  void* cache;
  std::int64_t window;  // the tokens that each one sees, itself among them; 0 for all before it
};

// Writes a token's keys and values, [2 * KV heads][head size], to its slot: block * 16 + offset.
void write(const Heads& heads, const float* keys_values, std::int64_t slot);

// The room for a head's numbers of 16 bits in whole vectors of 32.
inline std::int64_t pair_room(std::int64_t head_size) { return whole_vectors((head_size + 1) / 2) * 2; }

// What a thread needs for itself, in floats.
std::int64_t attention_floats(std::int64_t head_size);

// The places of a packed row from `first` on that attend now, before `last`.
struct Attention {
  const Heads* heads;
  const Sequences* sequences;
  std::int64_t first;
  std::int64_t last;
  const float* queries;  // [last - first][query_stride], times the scaling already
  std::int64_t query_stride;
  float* out;            // [last - first][num_heads * head_size]
};

// A thread's part. Keys and values of all places before `last` are in the cache.
void attend(const Attention& attention, float* own, int num_threads, std::atomic<std::int64_t>& next_tile);

}  // namespace runstream
