#include "attention.h"

#include <algorithm>

#include "attention_pairs.h"
#include "attention_tiles.h"
#include "attention_stream.h"
#include "parallel.h"
#include "row_functions.h"

namespace runstream {
namespace {

#if defined(RUNSTREAM_BFLOAT16_DOT)
using Bfloat16Products = PairProducts;
#else
using Bfloat16Products = FloatProducts<Bfloat16>;
#endif

// A thread's own memory.
struct Own {
  float* keys;     // [head size][16 tokens]
  float* values;   // [64 tokens][padded head size], or [64 tokens / 2][padded head size][2 numbers of 16 bits]
  float* weights;  // [rows][64 tokens]
  float* sums;     // [rows][padded head size]
  float* totals;   // [rows][16]
  float* maxima;   // [rows]
  float* scales;   // [rows]: what a span's new maximum multiplies the sums with; a vector more may be written
  float* partial;  // [rows][16 tokens][16]: a block's scores before their lanes are added
  float* queries;  // [rows][pair_room(head size)], floats or numbers of 16 bits
};

Own own_memory(float* at, std::int64_t head_size) {
  const std::int64_t size = whole_vectors(head_size);
  Own own;
  own.keys = at;
  own.values = own.keys + kBlockSize * pair_room(head_size);
  own.weights = own.values + kSpan * size;
  own.sums = own.weights + kTileRows * kSpan;
  own.totals = own.sums + kTileRows * size;
  own.maxima = own.totals + kTileRows * kLanes;
  own.scales = own.maxima + kTileRows;
  own.partial = own.scales + kTileRows + kLanes;
  own.queries = own.partial + kTileRows * kBlockSize * kLanes;
  return own;
}

// Turns scores of one KV head's rows into weights, and finds what sums so far are to be multiplied with.
template <class Products>
void weigh_rows(const Heads& heads, const Tile& tile, const Own& own, std::int64_t first_token, std::int64_t num_blocks,
                Range rows) {
  for (std::int64_t row = rows.first; row < rows.last; ++row) {
    const Seen seen = seen_of(tile.place_of[row], heads.window, first_token);
    own.scales[row] = raise_maximum(own.weights + row * kSpan, num_blocks, seen, own.maxima[row]);
  }
  for (std::int64_t row = rows.first; row < rows.last; row += kLanes)
    store(own.scales + row, exponential(load(own.scales + row)));
  for (std::int64_t row = rows.first; row < rows.last; ++row) {
    float* const scores = own.weights + row * kSpan;
    if (seen_of(tile.place_of[row], heads.window, first_token).nothing()) {
      std::fill(scores, scores + num_blocks * kLanes, 0.0F);
      continue;
    }
    float* const totals = own.totals + row * kLanes;
    const Floats scaled = multiply(load(totals), broadcast(own.scales[row]));
    store(totals, Products::weigh(scores, num_blocks, broadcast(own.maxima[row]), scaled));
  }
}

// Adds a span to the sums of one KV head's rows.
template <class Products>
void attend_head(const Heads& heads, const Tile& tile, const typename Products::Query* const* queries, const Own& own,
                 const Span<typename Products::Bits>& span, std::int64_t head, LinesAhead& ahead) {
  const std::int64_t size = heads.head_size, stride = token_stride(heads), rows = tile.rows_of_head, row = head * rows;
  const std::int64_t keys = (tile.first_kv_head + head) * size;
  const typename Products::Bits* values[kSpan / kBlockSize];
  std::int64_t seen[kTileRows];
  for (std::int64_t i = 0; i < rows; ++i)
    seen[i] = std::clamp<std::int64_t>(tile.place_of[row + i] - span.first + 1, 0, span.num_tokens);
  float* const weights = own.weights + row * kSpan;
  std::int64_t unseeing = 0;  // rows that see nothing of a block
  for (std::int64_t block = 0; block < span.num_blocks; ++block) {
    values[block] = span.blocks[block] + keys + heads.num_kv_heads * size;
    float* const scores = weights + block * kLanes;
    while (unseeing < rows && seen[unseeing] <= block * kBlockSize) ++unseeing;
    Products::read_keys(span.blocks[block] + keys, stride, size, own.keys, ahead);
    Products::score(queries + row + unseeing, rows - unseeing, own.keys, size, scores + unseeing * kSpan);
  }
  weigh_rows<Products>(heads, tile, own, span.first, span.num_blocks, {row, row + rows});
  const WeighedRows weighed{weights, own.scales + row, seen, rows, own.sums + row * whole_vectors(size)};
  Products::add_values({values, stride, span.num_tokens}, size, weighed, own.values);
}

// Adds a span to the sums of all rows, of which each KV head has only a few: keys and values are read once, as they lie.
//
// kSize is the heads' size if that is known when this is compiled, else 0.
template <class Products, std::int64_t kSize>
void attend_in_place(const Heads& heads, const Tile& tile, const typename Products::Query* const* queries, const Own& own,
                     const Stream<typename Products::Bits>& stream, std::int64_t first, std::int64_t num_tokens) {
  const std::int64_t size = kSize > 0 ? kSize : heads.head_size, padded = whole_vectors(size), rows = tile.rows_of_head;
  for (std::int64_t token = 0; token < num_tokens; ++token) {
    const auto* const key = stream.pieces[token];
    const auto* const ahead = *stream.ahead_of(token);
    for (std::int64_t head = 0; head < tile.num_kv_heads; ++head) {
      bring_near(ahead + head * size, size);
      for (std::int64_t row = head * rows; row < (head + 1) * rows; ++row)
        store(own.partial + (row * kBlockSize + token % kBlockSize) * kLanes,
              Products::score_of(queries[row], key + head * size, size));
    }
    if (token % kBlockSize == kBlockSize - 1 || token == num_tokens - 1)
      for (std::int64_t row = 0; row < tile.num_rows(); ++row)
        store(own.weights + row * kSpan + token / kBlockSize * kBlockSize, sums_of_rows(own.partial + row * kBlockSize * kLanes));
  }
  weigh_rows<Products>(heads, tile, own, first, (num_tokens + kBlockSize - 1) / kBlockSize, {0, tile.num_rows()});
  for (std::int64_t row = 0; row < tile.num_rows(); ++row) scale(own.sums + row * padded, padded, own.scales[row]);
  for (std::int64_t token = 0; token < num_tokens; token += kTokensTogether) {
    const auto* const* values = stream.pieces + num_tokens + token;
    const std::int64_t count = std::min<std::int64_t>(kTokensTogether, num_tokens - token);
    const auto* const* ahead = stream.ahead_of(num_tokens + token);
    for (std::int64_t head = 0; head < tile.num_kv_heads; ++head) {
      for (std::int64_t i = 0; i < kTokensTogether; ++i) bring_near(ahead[i] + head * size, size);
      for (std::int64_t row = head * rows; row < (head + 1) * rows; ++row) {
        const float* const weights = own.weights + row * kSpan;
        float* const sums = own.sums + row * padded;
        if (count == kTokensTogether) {
          Products::add_tokens(values, head * size, kTokensTogether, token, weights, padded, sums);
        } else {
          Products::add_tokens(values, head * size, count, token, weights, padded, sums);
        }
      }
    }
  }
}

// Computes a tile, and brings near what the one after it reads first.
template <class Products>
void attend_tile(const Heads& heads, const Tile& tile, const Own& own, const Tile* next) {
  using Bits = typename Products::Bits;
  using Query = typename Products::Query;
  const std::int64_t size = heads.head_size, size_of_sums = whole_vectors(size), rows = tile.num_rows();
  const Query* queries[kTileRows];
  for (std::int64_t row = 0; row < rows; ++row)
    Products::take_query(tile.queries[row], size, reinterpret_cast<Query*>(own.queries) + row * pair_room(size), queries + row);
  std::fill(own.sums, own.sums + rows * size_of_sums, 0.0F);
  std::fill(own.totals, own.totals + rows * kLanes, 0.0F);
  std::fill(own.maxima, own.maxima + rows, -INFINITY);
  for (std::int64_t first = tile.begin(heads); first <= tile.last_place; first += kSpan) {
    const auto span = find_span<Bits>(heads, tile, first);
    const Tile* const following = first + kSpan > tile.last_place ? next : &tile;
    const std::int64_t place = following == &tile ? first + kSpan : next != nullptr ? next->begin(heads) : 0;
    if (tile.rows_of_head <= kFewRows) {
      Stream<Bits> stream(heads, tile, span);
      if (following != nullptr) stream.add(heads, *following, find_span<Bits>(heads, *following, place));
      const auto attend = size == 64    ? attend_in_place<Products, 64>
                          : size == 128 ? attend_in_place<Products, 128>
                                        : attend_in_place<Products, 0>;
      attend(heads, tile, queries, own, stream, first, span.num_tokens);
      continue;
    }
    LinesAhead ahead;
    if (following != nullptr) ahead = lines_of_span<Bits>(heads, *following, place);
    for (std::int64_t head = 0; head < tile.num_kv_heads; ++head)
      attend_head<Products>(heads, tile, queries, own, span, head, ahead);
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    const Floats total = broadcast(sum_of(load(own.totals + row * kLanes)));
    for (std::int64_t d = 0; d < size; d += kLanes)
      store_some(tile.out[row] + d, divide(load(own.sums + row * size_of_sums + d), total), size - d);
  }
}

template <class Products>
void attend_by(const Attention& attention, const Own& own, int num_threads, std::atomic<std::int64_t>& next_tile) {
  const Heads& heads = *attention.heads;
  Tiles tiles(attention, num_threads);
  Tile tile, next;
  for (bool is_first = true; tiles.find(next_tile.fetch_add(1, std::memory_order_relaxed), tile); is_first = false) {
    if (is_first && tile.rows_of_head > kFewRows)
      lines_of_span<typename Products::Bits>(heads, tile, tile.begin(heads)).read();
    // Another thread may take it, and then this was in vain.
    Tiles ahead = tiles;
    const bool has_next = ahead.find(next_tile.load(std::memory_order_relaxed), next);
    attend_tile<Products>(heads, tile, own, has_next ? &next : nullptr);
  }
}

}  // namespace

std::int64_t attention_floats(std::int64_t head_size) {
  const std::int64_t queries = kTileRows * pair_room(head_size), keys = kBlockSize * pair_room(head_size);
  return keys + queries + whole_vectors(head_size) * (kSpan + kTileRows) + kTileRows * (kSpan + (1 + kBlockSize) * kLanes + 2) + kLanes;
}

void write(const Heads& heads, const float* keys_values, std::int64_t slot) {
  const std::int64_t size = 2 * heads.num_kv_heads * heads.head_size;
  if (heads.stored == Stored::float32) copy_as<Float32>(keys_values, size, static_cast<float*>(heads.cache) + slot * size);
  auto* halves = static_cast<std::uint16_t*>(heads.cache) + slot * size;
  if (heads.stored == Stored::float16) copy_as<Float16>(keys_values, size, halves);
  if (heads.stored == Stored::bfloat16) copy_as<Bfloat16>(keys_values, size, halves);
}

void attend(const Attention& attention, float* at, int num_threads, std::atomic<std::int64_t>& next_tile) {
  const Own own = own_memory(at, attention.heads->head_size);
  switch (attention.heads->stored) {
    case Stored::float32: return attend_by<FloatProducts<Float32>>(attention, own, num_threads, next_tile);
    case Stored::float16: return attend_by<FloatProducts<Float16>>(attention, own, num_threads, next_tile);
    case Stored::bfloat16: return attend_by<Bfloat16Products>(attention, own, num_threads, next_tile);
  }
}

}  // namespace runstream
