// How attention's work is cut into tiles, which threads take one after the other, and where in memory their spans are.
#pragma once

#include <algorithm>

#include "attention.h"
#include "lines_ahead.h"

namespace runstream {

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

inline std::int64_t token_stride(const Heads& heads) { return 2 * heads.num_kv_heads * heads.head_size; }

// A span of a sequence, and where its blocks are.
template <class Bits>
struct Span {
  std::int64_t first;       // its first token
  std::int64_t num_blocks;  // with any token that the sequence has
  std::int64_t num_tokens;
  const Bits* blocks[kSpan / kBlockSize];

  const Bits* token(const Heads& heads, std::int64_t place) const {
    return blocks[place / kBlockSize] + place % kBlockSize * token_stride(heads);
  }
};

template <class Bits>
Span<Bits> find_span(const Heads& heads, const Tile& tile, std::int64_t first) {
  Span<Bits> span;
  span.first = first;
  span.num_tokens = std::min<std::int64_t>(kSpan, tile.length - first);
  span.num_blocks = (span.num_tokens + kBlockSize - 1) / kBlockSize;
  for (std::int64_t block = 0; block < span.num_blocks; ++block) {
    const std::int64_t id = tile.blocks[first / kBlockSize + block];
    span.blocks[block] = static_cast<const Bits*>(heads.cache) + id * kBlockSize * token_stride(heads);
  }
  return span;
}

// The lines of what a tile reads of a span, in the order in which they lie in each block.
template <class Bits>
LinesAhead lines_of_span(const Heads& heads, const Tile& tile, std::int64_t first) {
  LinesAhead lines;
  if (first >= tile.length) return lines;
  const Span<Bits> span = find_span<Bits>(heads, tile, first);
  constexpr std::int64_t kBytes = sizeof(Bits);
  std::copy(span.blocks, span.blocks + span.num_blocks, lines.blocks);
  lines.num_tokens = span.num_tokens;
  lines.token_bytes = token_stride(heads) * kBytes;
  lines.keys = tile.first_kv_head * heads.head_size * kBytes;
  lines.values = lines.keys + lines.token_bytes / 2;
  lines.num_bytes = tile.num_kv_heads * heads.head_size * kBytes;
  return lines;
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
      const std::int64_t num_rows = num_rows_of_tiles(), count = num_rows * tiles_in_row();
      if (wanted < passed_ + count) {
        fill(tile, (wanted - passed_) % num_rows, (wanted - passed_) / num_rows);
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

}  // namespace runstream
