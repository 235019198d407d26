// The online softmax of attention: what of a span each row sees, and how new maxima scale what was summed before.
#pragma once

#include <algorithm>

#include "attention.h"

namespace runstream {

// What a row sees of a span, counted from its first token: from `begin` to `end`, both included.
struct Seen {
  std::int64_t begin;
  std::int64_t end;

  bool nothing() const { return end < 0 || begin >= kSpan; }
};

inline Seen seen_of(std::int64_t place, std::int64_t window, std::int64_t first) {
  return {window > 0 ? std::max<std::int64_t>(place - window + 1 - first, 0) : 0, place - first};
}

// Gives scores of a row minus infinity, but those of what it sees.
inline void hide_unseen(float* scores, std::int64_t num_blocks, Seen seen) {
  const auto begin = static_cast<float>(seen.begin), end = static_cast<float>(seen.end);
  float places[kLanes];
  for (int i = 0; i < kLanes; ++i) places[i] = static_cast<float>(i);
  for (std::int64_t block = 0; block < num_blocks; ++block, scores += kLanes) {
    const Floats place = add(load(places), broadcast(static_cast<float>(block * kLanes))), hidden = broadcast(-INFINITY);
    const Floats seen = where_less(place, broadcast(begin), hidden, load(scores));
    store(scores, where_less(broadcast(end), place, hidden, seen));
  }
}

// Takes the largest score of a row into account; returns the exponent of what its sums so far are to be scaled by.
inline float raise_maximum(float* scores, std::int64_t num_blocks, Seen seen, float& maximum) {
  if (seen.nothing()) return 0.0F;
  if (seen.begin > 0 || seen.end < num_blocks * kLanes - 1) hide_unseen(scores, num_blocks, seen);
  Floats largest = load(scores);
  for (std::int64_t block = 1; block < num_blocks; ++block) largest = larger(largest, load(scores + block * kLanes));
  const float before = maximum;
  maximum = std::max(before, largest_of(largest));
  return before - maximum;
}

}  // namespace runstream
