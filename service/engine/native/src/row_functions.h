// What stands between a layer's products, for one row: norm, rotary embedding, activation.
#pragma once

#include "vector_functions.h"

namespace runstream {

struct Norm {
  const float* weight;  // [size]; null for none
  float epsilon;
};

// Root mean square norm (Zhang and Sennrich, arXiv:1910.07467); `to` may be `from`.
inline void rms_norm(const float* from, std::int64_t size, const Norm& norm, float* to) {
  Floats squares = zeros();
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const Floats values = load_some(from + i, size - i);
    squares = multiply_add(values, values, squares);
  }
  const Floats scale = broadcast(1.0F / std::sqrt(sum_of(squares) / static_cast<float>(size) + norm.epsilon));
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const Floats normed = multiply(load_some(from + i, size - i), scale);
    store_some(to + i, multiply(normed, load_some(norm.weight + i, size - i)), size - i);
  }
}

// Rotary position embedding (Su et al., arXiv:2104.09864) of one head in place, halves as pairs.
inline void rotate(float* head, const float* cosines, const float* sines, std::int64_t half) {
  for (std::int64_t i = 0; i < half; i += kLanes) {
    const std::int64_t count = half - i;
    const Floats first = load_some(head + i, count), second = load_some(head + half + i, count);
    const Floats cosine = load_some(cosines + i, count), sine = load_some(sines + i, count);
    const Floats negative = subtract(zeros(), sine);
    store_some(head + i, multiply_add(second, negative, multiply(first, cosine)), count);
    store_some(head + half + i, multiply_add(first, sine, multiply(second, cosine)), count);
  }
}

inline void scale(float* values, std::int64_t size, float by) {
  for (std::int64_t i = 0; i < size; i += kLanes)
    store_some(values + i, multiply(load_some(values + i, size - i), broadcast(by)), size - i);
}

// SwiGLU without its products (Shazeer, arXiv:2002.05202): silu(gates) * gated.
inline void gate(const float* gates, const float* gated, std::int64_t size, float* to) {
  const Floats one = broadcast(1.0F);
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const Floats values = load_some(gates + i, size - i);
    const Floats activated = divide(values, add(one, exponential(subtract(zeros(), values))));
    store_some(to + i, multiply(activated, load_some(gated + i, size - i)), size - i);
  }
}

}  // namespace runstream
