// Numbers as the KV cache stores them: each type loads and stores sixteen of them as floats.
#pragma once

#include "vector_functions.h"

namespace runstream {

// The numbers are those of native/decoder.py.
enum class Stored : std::int32_t { float32 = 0, float16 = 1, bfloat16 = 2 };

struct Float32 {
  using Bits = float;
  static constexpr int kOfLine = 16;  // of a cache line
  static Floats load(const Bits* from) { return runstream::load(from); }
  static void store(Bits* to, Floats values) { runstream::store(to, values); }
};

struct Float16 {
  using Bits = std::uint16_t;
  static constexpr int kOfLine = 32;
  static Floats load(const Bits* from) { return load_float16(from); }
  static void store(Bits* to, Floats values) { store_float16(to, values); }
};

struct Bfloat16 {
  using Bits = std::uint16_t;
  static constexpr int kOfLine = 32;
  static Floats load(const Bits* from) { return load_bfloat16(from); }
  static void store(Bits* to, Floats values) { store_bfloat16(to, values); }
};

// Writes floats as numbers of another type.
template <class Number>
inline void copy_as(const float* from, std::int64_t count, typename Number::Bits* to) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) Number::store(to + i, load(from + i));
  if (i == count) return;
  typename Number::Bits whole[kLanes];
  Number::store(whole, load_some(from + i, count - i));
  std::memcpy(to + i, whole, static_cast<std::size_t>(count - i) * sizeof whole[0]);
}

}  // namespace runstream
