// The memory that a step of the decoder works in: made once, for as many rows as go through the layers together.
#pragma once

#include <algorithm>
#include <cstdint>

#include "decoder.h"
#include "products.h"

namespace runstream {

// Rows of a step's tokens, [max_rows][...] each.
struct Workspace {
  float* hidden;     // the residual, [hidden size]
  float* normed;     // [hidden size]
  float* qkv;        // [(heads + 2 KV heads) * head size]
  float* attended;   // [heads * head size]
  float* gate_up;    // [2 * intermediate size]
  float* activated;  // [intermediate size]
  void* prepared;    // rows as a product takes them
  std::int64_t* wanted;  // [max_rows]: which of the step's logits are made of this part's rows
  float* own;        // each thread's, for attention
  std::int64_t own_floats;
};

// Hands out memory in whole cache lines; without memory it only counts.
class Lines {
 public:
  explicit Lines(void* memory) : memory_(static_cast<char*>(memory)) {}

  template <class Type>
  Type* take(std::int64_t count) {
    auto* taken = reinterpret_cast<Type*>(memory_ + used_);
    used_ += (count * static_cast<std::int64_t>(sizeof(Type)) + kLine - 1) / kLine * kLine;
    return taken;
  }

  std::int64_t used() const { return used_; }

 private:
  static constexpr std::int64_t kLine = 64;
  char* memory_;
  std::int64_t used_ = 0;
};

inline std::int64_t most_prepared_bytes(const Decoder& decoder, std::int64_t num_rows) {
  std::int64_t most = prepared_bytes(*decoder.head, num_rows);
  for (std::int64_t i = 0; i < decoder.num_layers; ++i) {
    const Layer& layer = decoder.layers[i];
    for (const Matrix* matrix : {layer.qkv, layer.output, layer.gate_up, layer.down})
      most = std::max(most, prepared_bytes(*matrix, num_rows));
  }
  return most;
}

// Lays a workspace out from an address on; returns the bytes that it takes.
inline std::int64_t lay_out(const Decoder& decoder, void* memory, Workspace& made) {
  const Layer& layer = decoder.layers[0];
  const std::int64_t rows = decoder.max_rows;
  Lines lines(memory);
  made.hidden = lines.take<float>(rows * layer.qkv->inputs);
  made.normed = lines.take<float>(rows * layer.qkv->inputs);
  made.qkv = lines.take<float>(rows * layer.qkv->outputs);
  made.attended = lines.take<float>(rows * layer.output->inputs);
  made.gate_up = lines.take<float>(rows * layer.gate_up->outputs);
  made.activated = lines.take<float>(rows * layer.down->inputs);
  made.prepared = lines.take<char>(most_prepared_bytes(decoder, rows));
  made.wanted = lines.take<std::int64_t>(rows);
  made.own_floats = whole_vectors(attention_floats(decoder.head_size));
  made.own = lines.take<float>(made.own_floats * decoder.num_threads);
  return lines.used();
}

}  // namespace runstream
