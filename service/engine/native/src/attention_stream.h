// A span's keys and values as they are read one token after the other.
#pragma once

#include "attention_products.h"
#include "attention_tiles.h"

namespace runstream {

// Where each token's keys are, then where its values are, and then where the keys of some tokens are that are read next.
//
// Memory is read at its full rate if some lines of what is read next are under way all the time. A processor drops what it
// is asked to bring when there are many already. So with each head those of a piece are asked for that comes soon.
template <class Bits>
struct Stream {
  static constexpr std::int64_t kBytesAhead = 12 << 10;  // measured on Zen 4: 8 KiB are too few, 48 no better
  static constexpr std::int64_t kMostAhead = 16;

  Stream(const Heads& heads, const Tile& tile, const Span<Bits>& span) {
    const std::int64_t size = tile.num_kv_heads * heads.head_size * static_cast<std::int64_t>(sizeof(Bits));
    tokens_ahead = std::clamp<std::int64_t>(kBytesAhead / size, 1, kMostAhead);
    const std::int64_t keys = tile.first_kv_head * heads.head_size, values = heads.num_kv_heads * heads.head_size;
    for (std::int64_t token = 0; token < span.num_tokens; ++token) {
      pieces[token] = span.token(heads, token) + keys;
      pieces[span.num_tokens + token] = pieces[token] + values;
    }
    end = 2 * span.num_tokens;
    std::fill(pieces + end, pieces + end + tokens_ahead + kTokensTogether, pieces[end - 1]);
  }

  // Goes on with the keys of another span.
  void add(const Heads& heads, const Tile& tile, const Span<Bits>& span) {
    const std::int64_t keys = tile.first_kv_head * heads.head_size, count = std::min(tokens_ahead, span.num_tokens);
    for (std::int64_t token = 0; token < count; ++token) pieces[end + token] = span.token(heads, token) + keys;
  }

  // What is to be asked for while a piece is read, and the pieces after it.
  const Bits* const* ahead_of(std::int64_t piece) const { return pieces + piece + tokens_ahead; }

  const Bits* pieces[2 * kSpan + kMostAhead + kTokensTogether];
  std::int64_t tokens_ahead, end;
};

// Asks for the lines of some numbers.
template <class Bits>
inline void bring_near(const Bits* from, std::int64_t count) {
  const char* const at = reinterpret_cast<const char*>(from);
  for (std::int64_t i = 0; i < count * static_cast<std::int64_t>(sizeof(Bits)); i += 64) __builtin_prefetch(at + i, 0, 2);
}

}  // namespace runstream
