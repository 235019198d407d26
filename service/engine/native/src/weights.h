// How a kernel reads each format of floats: one step is one input, or a pair of them.
#pragma once

#include <cstdint>
#include <cstring>

#include "vectors.h"

namespace runstream {

struct Float32Weights {
  using Weight = float;
  using Row = float;
  using Loaded = Floats;
  static constexpr int kInputsPerStep = 1;

  static Loaded read(const Weight* weights) { return load(weights); }
  static Floats spread(const Row* row) { return broadcast(*row); }
  static Floats add_product(Floats sum, Loaded weights, Floats row) { return multiply_add(row, weights, sum); }

  // A panel's outputs in the order in which `read` gives them, and back.
  static Floats as_read(Floats outputs) { return outputs; }
  static Floats in_order(Floats outputs) { return outputs; }
};

struct Float16Weights : Float32Weights {
  using Weight = std::uint16_t;

  static Loaded read(const Weight* weights) { return load_float16(weights); }
};

struct BFloat16Weights : Float32Weights {
  using Weight = std::uint16_t;

#if defined(RUNSTREAM_AVX2)
  // The even outputs and the odd ones: two instructions instead of four.
  static Loaded read(const Weight* weights) { return load_bfloat16_pairs(weights); }
  static Floats as_read(Floats outputs) { return split_pairs(outputs); }
  static Floats in_order(Floats outputs) { return join_pairs(outputs); }
#else
  static Loaded read(const Weight* weights) { return load_bfloat16(weights); }
#endif
};

#if defined(RUNSTREAM_BFLOAT16_DOT)

struct BFloat16Pairs {
  using Weight = std::uint16_t;
  using Row = std::uint16_t;
  using Loaded = __m512bh;
  static constexpr int kInputsPerStep = 2;

  static Loaded read(const Weight* weights) { return reinterpret_cast<Loaded>(_mm512_loadu_si512(weights)); }
  static Loaded spread(const Row* row) {
    std::int32_t pair;
    std::memcpy(&pair, row, sizeof pair);
    return reinterpret_cast<Loaded>(_mm512_set1_epi32(pair));
  }
  static Floats add_product(Floats sum, Loaded weights, Loaded row) {
    return {_mm512_dpbf16_ps(sum.it, weights, row)};
  }
  static Floats as_read(Floats outputs) { return outputs; }
  static Floats in_order(Floats outputs) { return outputs; }
};

#endif

}  // namespace runstream
