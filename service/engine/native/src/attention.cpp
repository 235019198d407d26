#include "attention.h"

#include <algorithm>

#include "attention_products.h"

namespace runstream {
namespace {

// Rows of one sequence and some KV heads: each is a place of the packed row and one of the head's queries.
struct Tile {
  const std::int32_t* blocks;
  std::int64_t first_kv_head;
  std::int64_t num_kv_heads;
  std::int64_t length;        // the sequence's tokens with the row's
  std::int64_t rows_of_head;  // of each KV head, one head's after the other's
  std::int64_t first_place;   // in the sequence
  std::int64_t last_place;    // in the sequence, of the last row
  std::int64_t place_of[kTileRows];
  const float* queries[kTileRows];
  float* out[kTileRows];

  std::int64_t num_rows() const { return num_kv_heads * rows_of_head; }

  // Where the first span begins that a row sees anything of.
  std::int64_t begin(const Heads& heads) const {
    return (heads.window > 0 ? std::max<std::int64_t>(first_place - heads.window + 1, 0) : 0) / kSpan * kSpan;
  }
};

// A thread's own memory.
struct Own {
  float* keys;     // [head size][16 tokens]
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
  own.weights = own.keys + kBlockSize * size;
  own.sums = own.weights + kTileRows * kSpan;
  own.totals = own.sums + kTileRows * size;
  own.maxima = own.totals + kTileRows * kLanes;
  own.scales = own.maxima + kTileRows;
  return own;
}

inline std::int64_t token_stride(const Heads& heads) { return 2 * heads.num_kv_heads * heads.head_size; }

// A span of a sequence, and where its blocks are.
template <class Number>
struct Span {
  std::int64_t first;       // its first token
  std::int64_t num_blocks;  // with any token that the sequence has
  std::int64_t num_tokens;
  const typename Number::Bits* blocks[kSpan / kBlockSize];
};

template <class Number>
Span<Number> find_span(const Heads& heads, const Tile& tile, std::int64_t first) {
  Span<Number> span;
  span.first = first;
  span.num_tokens = std::min<std::int64_t>(kSpan, tile.length - first);
  span.num_blocks = (span.num_tokens + kBlockSize - 1) / kBlockSize;
  for (std::int64_t block = 0; block < span.num_blocks; ++block) {
    const std::int64_t id = tile.blocks[first / kBlockSize + block];
    span.blocks[block] = static_cast<const typename Number::Bits*>(heads.cache) + id * kBlockSize * token_stride(heads);
  }
  return span;
}

// The lines of what a tile reads of a span, in the order in which they lie in each block.
template <class Number>
LinesAhead lines_of_span(const Heads& heads, const Tile& tile, std::int64_t first) {
  LinesAhead lines;
  if (first >= tile.length) return lines;
  const Span<Number> span = find_span<Number>(heads, tile, first);
  constexpr std::int64_t kBytes = sizeof(typename Number::Bits);
  std::copy(span.blocks, span.blocks + span.num_blocks, lines.blocks);
  lines.num_tokens = span.num_tokens;
  lines.token_bytes = token_stride(heads) * kBytes;
  lines.keys = tile.first_kv_head * heads.head_size * kBytes;
  lines.values = lines.keys + lines.token_bytes / 2;
  lines.num_bytes = tile.num_kv_heads * heads.head_size * kBytes;
  return lines;
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

// Which part of the work a number stands for: tiles of each sequence, and of each the KV heads.
class Tiles {
 public:
  Tiles(const Attention& attention, int num_threads) : it_(&attention), num_threads_(num_threads) {
    const Heads& heads = *it_->heads;
    group_ = heads.num_heads / heads.num_kv_heads;
    queries_ = std::max<std::int64_t>(1, kTileRows / group_);
  }

  // The next tile after those that this thread has had, or false if there is none.
  bool find(std::int64_t wanted, Tile& tile) {
    for (; sequence_ < it_->sequences->count; ++sequence_) {
      const std::int64_t in_row = tiles_in_row(), count = num_rows_of_tiles() * in_row;
      if (wanted < passed_ + count) {
        fill(tile, (wanted - passed_) / in_row, (wanted - passed_) % in_row);
        return true;
      }
      passed_ += count;
    }
    return false;
  }

 private:
  // Into how many parts the queries of a KV head are cut, if one place alone has more of them than a tile.
  std::int64_t parts() const { return (group_ + kTileRows - 1) / kTileRows; }

  std::int64_t begin() const {
    const std::int64_t begin = sequence_ > 0 ? it_->sequences->ends[sequence_ - 1] : 0;
    return std::max(begin, it_->first);
  }

  std::int64_t end() const { return std::min<std::int64_t>(it_->sequences->ends[sequence_], it_->last); }

  std::int64_t num_rows_of_tiles() const {
    const std::int64_t places = end() - begin();
    return places > 0 ? (places + queries_ - 1) / queries_ : 0;
  }

  // KV heads lie side by side, so a tile has as many as it has rows for and other threads leave.
  std::int64_t kv_heads_together() const {
    const std::int64_t rows = std::max<std::int64_t>(1, std::min(end() - begin(), queries_)) * group_;
    const std::int64_t share = (it_->heads->num_kv_heads + num_threads_ - 1) / num_threads_;
    return std::max<std::int64_t>(1, std::min(share, kTileRows / rows));
  }

  std::int64_t tiles_in_row() const {
    const std::int64_t together = kv_heads_together();
    return (it_->heads->num_kv_heads + together - 1) / together * parts();
  }

  void fill(Tile& tile, std::int64_t row_of_tiles, std::int64_t place) const {
    const Sequences& all_of = *it_->sequences;
    const std::int64_t first = begin() + row_of_tiles * queries_, last = std::min(first + queries_, end());
    const std::int64_t before = all_of.lengths[sequence_] - all_of.ends[sequence_];  // from the row to the sequence
    const std::int64_t together = kv_heads_together(), first_query = place % parts() * kTileRows;
    const std::int64_t num_queries = std::min<std::int64_t>(kTileRows, group_ - first_query);
    tile.blocks = all_of.block_table + sequence_ * all_of.columns;
    tile.first_kv_head = place / parts() * together;
    tile.num_kv_heads = std::min(together, it_->heads->num_kv_heads - tile.first_kv_head);
    tile.first_place = first + before;
    tile.last_place = last - 1 + before;
    tile.length = tile.last_place + 1;
    tile.rows_of_head = (last - first) * num_queries;
    std::int64_t row = 0;
    for (std::int64_t kv_head = tile.first_kv_head; kv_head < tile.first_kv_head + tile.num_kv_heads; ++kv_head)
      for (std::int64_t at = first; at < last; ++at)
        for (std::int64_t query = first_query; query < first_query + num_queries; ++query)
          fill_row(tile, row++, at, kv_head * group_ + query, at + before);
  }

  void fill_row(Tile& tile, std::int64_t row, std::int64_t at, std::int64_t head, std::int64_t place) const {
    const Heads& heads = *it_->heads;
    tile.place_of[row] = place;
    tile.queries[row] = it_->queries + (at - it_->first) * it_->query_stride + head * heads.head_size;
    tile.out[row] = it_->out + ((at - it_->first) * heads.num_heads + head) * heads.head_size;
  }

  const Attention* it_;
  std::int64_t num_threads_, group_, queries_, sequence_ = 0, passed_ = 0;
};

// Adds a span to the sums of one KV head's rows.
template <class Number>
void attend_head(const Heads& heads, const Tile& tile, const Own& own, const Span<Number>& span, std::int64_t head,
                 LinesAhead& ahead) {
  const std::int64_t size = heads.head_size, stride = token_stride(heads), rows = tile.rows_of_head, row = head * rows;
  const std::int64_t keys = (tile.first_kv_head + head) * size;
  const typename Number::Bits* values[kSpan / kBlockSize];
  float* const weights = own.weights + row * kSpan;
  for (std::int64_t block = 0; block < span.num_blocks; ++block) {
    values[block] = span.blocks[block] + keys + heads.num_kv_heads * size;
    float* const scores = weights + block * kLanes;
    if (rows <= kFewRows) {
      for (std::int64_t i = 0; i < rows; ++i)
        score_in_place<Number>(tile.queries[row + i], span.blocks[block] + keys, stride, size, scores + i * kSpan, ahead);
    } else {
      read_keys<Number>(span.blocks[block] + keys, stride, size, own.keys, ahead);
      score(tile.queries + row, rows, own.keys, size, scores);
    }
  }
  for (std::int64_t i = row; i < row + rows; ++i) weigh(heads, own, i, tile.place_of[i], span.first, span.num_blocks);
  add_values<Number>({values, stride, span.num_tokens}, size, weights, own.scales + row, rows,
                     own.sums + row * whole_vectors(size), ahead);
}

// Computes a tile, and brings near what the one after it reads first.
template <class Number>
void attend_tile(const Heads& heads, const Tile& tile, const Own& own, const Tile* next) {
  const std::int64_t size = heads.head_size, size_of_sums = whole_vectors(size), rows = tile.num_rows();
  std::fill(own.sums, own.sums + rows * size_of_sums, 0.0F);
  std::fill(own.totals, own.totals + rows * kLanes, 0.0F);
  std::fill(own.maxima, own.maxima + rows, -INFINITY);
  for (std::int64_t first = tile.begin(heads); first <= tile.last_place; first += kSpan) {
    const Span<Number> span = find_span<Number>(heads, tile, first);
    const bool is_last = first + kSpan > tile.last_place;
    LinesAhead ahead;
    if (!is_last) ahead = lines_of_span<Number>(heads, tile, first + kSpan);
    if (is_last && next != nullptr) ahead = lines_of_span<Number>(heads, *next, next->begin(heads));
    for (std::int64_t head = 0; head < tile.num_kv_heads; ++head)
      attend_head<Number>(heads, tile, own, span, head, ahead);
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    const Floats total = broadcast(sum_of(load(own.totals + row * kLanes)));
    for (std::int64_t d = 0; d < size; d += kLanes)
      store_some(tile.out[row] + d, divide(load(own.sums + row * size_of_sums + d), total), size - d);
  }
}

template <class Number>
void attend_by(const Attention& attention, const Own& own, int num_threads, std::atomic<std::int64_t>& next_tile) {
  const Heads& heads = *attention.heads;
  Tiles tiles(attention, num_threads);
  Tile tile, next;
  for (bool is_first = true; tiles.find(next_tile.fetch_add(1, std::memory_order_relaxed), tile); is_first = false) {
    if (is_first) lines_of_span<Number>(heads, tile, tile.begin(heads)).read();
    // Another thread may take it, and then this was in vain.
    Tiles ahead = tiles;
    const bool has_next = ahead.find(next_tile.load(std::memory_order_relaxed), next);
    attend_tile<Number>(heads, tile, own, has_next ? &next : nullptr);
  }
}

}  // namespace

std::int64_t attention_floats(std::int64_t head_size) {
  return whole_vectors(head_size) * (kBlockSize + kTileRows) + kTileRows * (kSpan + kLanes + 2);
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
    case Stored::float32: return attend_by<Float32>(attention, own, num_threads, next_tile);
    case Stored::float16: return attend_by<Float16>(attention, own, num_threads, next_tile);
    case Stored::bfloat16: return attend_by<Bfloat16>(attention, own, num_threads, next_tile);
  }
}

}  // namespace runstream
