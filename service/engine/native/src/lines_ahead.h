// Memory that is brought near while something else is computed.
#pragma once

#include <algorithm>
#include <cstdint>

#include "attention.h"

namespace runstream {

// The lines of keys and values of a span's tokens, in the order in which they lie in each block.
//
// Processors drop what they are asked to bring when they are at many lines already. So it is asked for a few lines at a
// time, as many as are read meanwhile.
struct LinesAhead {
  static constexpr std::int64_t kLine = 64;

  const void* blocks[kSpan / kBlockSize];
  std::int64_t num_tokens = 0;
  std::int64_t token_bytes;  // from one token to the next in a block
  std::int64_t keys;         // of a token, where they begin
  std::int64_t values;
  std::int64_t num_bytes;    // of either

  void bring_near(std::int64_t count) {
    while (count > 0) {
      if (at_ >= end_ && !find_piece()) return;
      const char* at = at_;
      const char* const end = std::min(end_, at + count * kLine);
      for (; at < end; at += kLine, --count) __builtin_prefetch(at, 0, 2);
      at_ = at;
    }
  }

  // Reads them all, for when there is nothing to compute meanwhile.
  void read() {
    while (find_piece())
      for (; at_ < end_; at_ += kLine) static_cast<void>(*static_cast<const volatile char*>(at_));
  }

 private:
  bool find_piece() {
    if (piece_ == 2 * num_tokens) return false;
    const std::int64_t token = piece_ / 2;
    const char* block = static_cast<const char*>(blocks[token / kBlockSize]);
    at_ = block + token % kBlockSize * token_bytes + (piece_ % 2 == 0 ? keys : values);
    end_ = at_ + num_bytes;
    ++piece_;
    return true;
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::int64_t piece_ = 0;
};

}  // namespace runstream
