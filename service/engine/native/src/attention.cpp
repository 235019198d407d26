#include "attention.h"

#include <algorithm>

#include "attention_products.h"

namespace runstream {
namespace {

// Rows of one sequence and one KV head: each is a place of the packed row and one of the head's queries.
struct Tile {
  const std::int32_t* blocks;
  std::int64_t kv_head;
  std::int64_t length;        // the sequence's tokens with the row's
  std::int64_t num_rows;
  std::int64_t first_place;   // in the sequence
  std::int64_t last_place;    // in the sequence, of the last row
  std::int64_t place_of[kTileRows];
  const float* queries[kTileRows];
  float* out[kTileRows];
};

// A thread's own memory.
struct Own {
  float* keys;     // [4 blocks][head size][16 tokens]
  float* weights;  // [rows][64 tokens]
  float* sums;     // [rows][padded head size]
  float* totals;   // [rows][16]
  float* maxima;   // [rows]
  float* scales;   // [rows]: what a span's new maximum multiplies the sums with
};

Own own_memory(float* at, std::int64_t head_size) {
  const std::int64_t size = whole_vectors(head_size);
  Own own;
  own.keys = at;
  own.weights = own.keys + kSpan * size;
  own.sums = own.weights + kTileRows * kSpan;
  own.totals = own.sums + kTileRows * size;
  own.maxima = own.totals + kTileRows * kLanes;
  own.scales = own.maxima + kTileRows;
  return own;
}

// A span of a sequence: its keys with tokens as lanes, and where the values of each of its blocks are.
template <class Number>
struct Span {
  std::int64_t first;       // its first token
  std::int64_t num_blocks;  // with any token that the sequence has
  std::int64_t num_tokens;
  const typename Number::Bits* values[kSpan / kBlockSize];
};

template <class Number>
Span<Number> read_span(const Heads& heads, const Tile& tile, std::int64_t first, float* keys) {
  const std::int64_t size = heads.head_size, stride = 2 * heads.num_kv_heads * size;
  Span<Number> span;
  span.first = first;
  span.num_tokens = std::min<std::int64_t>(kSpan, tile.length - first);
  span.num_blocks = (span.num_tokens + kBlockSize - 1) / kBlockSize;
  for (std::int64_t block = 0; block < span.num_blocks; ++block) {
    const std::int64_t id = tile.blocks[first / kBlockSize + block];
    const auto* at = static_cast<const typename Number::Bits*>(heads.cache) + id * kBlockSize * stride;
    read_keys<Number>(at + tile.kv_head * size, stride, size, keys + block * whole_vectors(size) * kLanes);
    span.values[block] = at + (heads.num_kv_heads + tile.kv_head) * size;
  }
  return span;
}

// Turns a row's scores in a span into weights, and notes what sums so far are to be multiplied with.
void weigh(const Heads& heads, const Own& own, std::int64_t row, std::int64_t place, std::int64_t first,
           std::int64_t num_blocks) {
  float* scores = own.weights + row * kSpan;
  const std::int64_t begin = heads.window > 0 ? std::max<std::int64_t>(place - heads.window + 1, 0) : 0;
  own.scales[row] = 1.0F;
  if (place < first || begin >= first + kSpan) {
    std::fill(scores, scores + num_blocks * kLanes, 0.0F);
    return;
  }
  if (begin > first || place < first + num_blocks * kLanes - 1)
    hide_unseen(scores, num_blocks, static_cast<float>(begin - first), static_cast<float>(place - first));
  Floats largest = load(scores);
  for (std::int64_t block = 1; block < num_blocks; ++block) largest = larger(largest, load(scores + block * kLanes));
  const float before = own.maxima[row], maximum = std::max(before, largest_of(largest));
  own.maxima[row] = maximum;
  float scaled[kLanes];
  store(scaled, exponential(broadcast(before - maximum)));
  own.scales[row] = scaled[0];
  Floats total = multiply(load(own.totals + row * kLanes), broadcast(scaled[0]));
  for (std::int64_t block = 0; block < num_blocks; ++block) {
    const Floats weight = exponential(subtract(load(scores + block * kLanes), broadcast(maximum)));
    store(scores + block * kLanes, weight);
    total = add(total, weight);
  }
  store(own.totals + row * kLanes, total);
}

template <class Number>
void attend_tile(const Heads& heads, const Tile& tile, const Own& own) {
  const std::int64_t size = heads.head_size, size_of_sums = whole_vectors(size);
  std::fill(own.sums, own.sums + tile.num_rows * size_of_sums, 0.0F);
  std::fill(own.totals, own.totals + tile.num_rows * kLanes, 0.0F);
  std::fill(own.maxima, own.maxima + tile.num_rows, -INFINITY);
  const std::int64_t begin = heads.window > 0 ? std::max<std::int64_t>(tile.first_place - heads.window + 1, 0) : 0;
  for (std::int64_t first = begin / kSpan * kSpan; first <= tile.last_place; first += kSpan) {
    const Span<Number> span = read_span<Number>(heads, tile, first, own.keys);
    score(tile.queries, tile.num_rows, own.keys, size, span.num_blocks, own.weights);
    for (std::int64_t row = 0; row < tile.num_rows; ++row)
      weigh(heads, own, row, tile.place_of[row], first, span.num_blocks);
    const std::int64_t stride = 2 * heads.num_kv_heads * size;
    add_values<Number>({span.values, stride, span.num_tokens}, size, own.weights, own.scales, tile.num_rows, own.sums);
  }
  for (std::int64_t row = 0; row < tile.num_rows; ++row) {
    const Floats total = broadcast(sum_of(load(own.totals + row * kLanes)));
    for (std::int64_t d = 0; d < size; d += kLanes)
      store_some(tile.out[row] + d, divide(load(own.sums + row * size_of_sums + d), total), size - d);
  }
}

// Which part of the work a number stands for: tiles of each sequence, and of each tile all KV heads.
class Tiles {
 public:
  explicit Tiles(const Attention& attention) : it_(attention) {
    const Heads& heads = *it_.heads;
    group_ = heads.num_heads / heads.num_kv_heads;
    queries_ = std::max<std::int64_t>(1, kTileRows / group_);
  }

  // The next tile after those that this thread has had, or false if there is none.
  bool find(std::int64_t wanted, Tile& tile) {
    const std::int64_t kv_heads = it_.heads->num_kv_heads * parts();
    for (; sequence_ < it_.sequences->count; ++sequence_) {
      const std::int64_t count = num_tiles(sequence_) * kv_heads;
      if (wanted < passed_ + count) {
        fill(tile, (wanted - passed_) / kv_heads, (wanted - passed_) % kv_heads);
        return true;
      }
      passed_ += count;
    }
    return false;
  }

 private:
  // Into how many parts the queries of a KV head are cut, if one place alone has more of them than a tile.
  std::int64_t parts() const { return (group_ + kTileRows - 1) / kTileRows; }

  std::int64_t begin_of(std::int64_t sequence) const {
    const std::int64_t begin = sequence > 0 ? it_.sequences->ends[sequence - 1] : 0;
    return std::max(begin, it_.first);
  }

  std::int64_t end_of(std::int64_t sequence) const {
    return std::min<std::int64_t>(it_.sequences->ends[sequence], it_.last);
  }

  std::int64_t num_tiles(std::int64_t sequence) const {
    const std::int64_t places = end_of(sequence) - begin_of(sequence);
    return places > 0 ? (places + queries_ - 1) / queries_ : 0;
  }

  void fill(Tile& tile, std::int64_t number, std::int64_t part_of_heads) const {
    const Sequences& all_of = *it_.sequences;
    const Heads& heads = *it_.heads;
    const std::int64_t begin = begin_of(sequence_) + number * queries_, end = std::min(begin + queries_, end_of(sequence_));
    const std::int64_t before = all_of.lengths[sequence_] - all_of.ends[sequence_];  // from the row to the sequence
    const std::int64_t first_query = part_of_heads % parts() * kTileRows;
    const std::int64_t num_queries = std::min<std::int64_t>(kTileRows, group_ - first_query);
    tile.blocks = all_of.block_table + sequence_ * all_of.columns;
    tile.kv_head = part_of_heads / parts();
    tile.first_place = begin + before;
    tile.last_place = end - 1 + before;
    tile.length = tile.last_place + 1;
    tile.num_rows = 0;
    for (std::int64_t place = begin; place < end; ++place)
      for (std::int64_t query = first_query; query < first_query + num_queries; ++query) {
        const std::int64_t head = tile.kv_head * group_ + query, row = tile.num_rows++;
        tile.place_of[row] = place + before;
        tile.queries[row] = it_.queries + (place - it_.first) * it_.query_stride + head * heads.head_size;
        tile.out[row] = it_.out + ((place - it_.first) * heads.num_heads + head) * heads.head_size;
      }
  }

  const Attention& it_;
  std::int64_t group_, queries_, sequence_ = 0, passed_ = 0;
};

}  // namespace

std::int64_t attention_floats(std::int64_t head_size) {
  return whole_vectors(head_size) * (kSpan + kTileRows) + kTileRows * (kSpan + kLanes + 2);
}

void write(const Heads& heads, const float* keys_values, std::int64_t slot) {
  const std::int64_t size = 2 * heads.num_kv_heads * heads.head_size;
  if (heads.stored == Stored::float32) copy_as<Float32>(keys_values, size, static_cast<float*>(heads.cache) + slot * size);
  auto* halves = static_cast<std::uint16_t*>(heads.cache) + slot * size;
  if (heads.stored == Stored::float16) copy_as<Float16>(keys_values, size, halves);
  if (heads.stored == Stored::bfloat16) copy_as<Bfloat16>(keys_values, size, halves);
}

void attend(const Attention& attention, float* at, std::atomic<std::int64_t>& next_tile) {
  const Heads& heads = *attention.heads;
  const Own own = own_memory(at, heads.head_size);
  Tiles tiles(attention);
  Tile tile;
  while (tiles.find(next_tile.fetch_add(1, std::memory_order_relaxed), tile)) {
    if (heads.stored == Stored::float32) attend_tile<Float32>(heads, tile, own);
    if (heads.stored == Stored::bfloat16) attend_tile<Bfloat16>(heads, tile, own);
    if (heads.stored == Stored::float16) attend_tile<Float16>(heads, tile, own);
  }
}

}  // namespace runstream
