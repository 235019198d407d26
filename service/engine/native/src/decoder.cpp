#include "decoder.h"

#include <utility>

#include "parallel.h"
#include "phases.h"
#include "products.h"
#include "workspace.h"

namespace runstream {
namespace {

// What the threads share that is not memory for rows.
struct Shared {
  std::atomic<std::int64_t> next_tile{0};
  std::int64_t num_wanted = 0;
};

// The places of the packed row that go through the layers together, as one of the threads sees them.
class Part {
 public:
  Part(const Decoder& decoder, const Step& step, const Workspace& workspace, Shared& shared, int thread, int num_threads)
      : decoder_(decoder),
        step_(step),
        shared_(shared),
        thread_(thread),
        num_threads_(num_threads),
        memory_(workspace),
        hidden_size_(decoder.layers[0].qkv->inputs) {}

  void run(std::int64_t first, std::int64_t last) {
    first_ = first, num_rows_ = last - first;
    embed();
    for (std::int64_t i = 0; i < decoder_.num_layers; ++i) {
      const Layer& layer = decoder_.layers[i];
      if (thread_ == 0) step_.note_progress();
      attend_in(layer);
      if (i + 1 == decoder_.num_layers) keep_wanted();
      transform_in(layer);
    }
    keep_last_rows();
  }

  // The logits of all rows that were kept.
  void unembed() {
    for (std::int64_t first = 0; first < step_.num_last; first += decoder_.max_rows) {
      const std::int64_t count = std::min(decoder_.max_rows, step_.num_last - first);
      const Rows some{step_.last_rows + first * hidden_size_, hidden_size_, count};
      prepare_rows(*decoder_.head, some, share(count, thread_, num_threads_));
      end(Phase::last_rows);
      const std::int64_t vocabulary = decoder_.head->outputs;
      multiply_rows(*decoder_.head, some, nullptr, step_.logits + first * vocabulary, vocabulary);
      end(Phase::head);
    }
  }

 private:
  struct Rows {
    const float* at;
    std::int64_t stride;
    std::int64_t count;
  };

  // Waits until all threads have done a phase.
  void end(Phase phase) {
    barrier();
    if (thread_ == 0) clock_.end(phase);
  }

  Range own_rows() const { return share(num_rows_, thread_, num_threads_); }

  void prepare_rows(const Matrix& matrix, const Rows& rows, Range range) {
    if (prepared_bytes(matrix, rows.count) > 0) prepare(matrix, rows.at, rows.stride, range, memory_.prepared);
  }

  void multiply_rows(const Matrix& matrix, const Rows& rows, const float* residual, float* out, std::int64_t stride) {
    const void* prepared = prepared_bytes(matrix, rows.count) > 0 ? memory_.prepared : nullptr;
    multiply({&matrix, rows.at, rows.count, rows.stride, prepared, residual, out, stride}, thread_, num_threads_);
  }

  void embed() {
    const Range range = own_rows();
    const float* from = step_.embedded + (first_ + range.first) * hidden_size_;
    copy_as<Float32>(from, (range.last - range.first) * hidden_size_, memory_.hidden + range.first * hidden_size_);
    if (thread_ == 0) clock_.end(Phase::start);
  }

  // Norms the residual's rows and prepares them for a product; each thread its own.
  void norm_for(const Matrix& matrix, const Norm& norm) {
    const Range range = own_rows();
    for (std::int64_t row = range.first; row < range.last; ++row)
      rms_norm(memory_.hidden + row * hidden_size_, hidden_size_, norm, memory_.normed + row * hidden_size_);
    prepare_rows(matrix, {memory_.normed, hidden_size_, num_rows_}, range);
    end(Phase::norm);
  }

  // Attention with its norm, up to where its outputs are multiplied.
  void attend_in(const Layer& layer) {
    norm_for(*layer.qkv, layer.input_norm);
    const std::int64_t stride = layer.qkv->outputs;
    multiply_rows(*layer.qkv, {memory_.normed, hidden_size_, num_rows_}, nullptr, memory_.qkv, stride);
    if (thread_ == 0) shared_.next_tile = 0;
    end(Phase::qkv);
    const Heads heads{decoder_.num_heads, decoder_.num_kv_heads, decoder_.head_size,
                      decoder_.cache_stored, layer.cache, layer.window};
    const Range range = own_rows();
    for (std::int64_t row = range.first; row < range.last; ++row) enter(layer, heads, row, memory_.qkv + row * stride);
    end(Phase::cache);
    const Attention attention{&heads, &step_.sequences, first_, first_ + num_rows_, memory_.qkv, stride, memory_.attended};
    attend(attention, memory_.own + thread_ * memory_.own_floats, num_threads_, shared_.next_tile);
    end(Phase::attention);
  }

  // Norms and rotates a row's queries and keys, and writes keys and values to the cache.
  void enter(const Layer& layer, const Heads& heads, std::int64_t row, float* qkv) {
    const std::int64_t size = heads.head_size, half = decoder_.half_rotated;
    const float* cosines = step_.rotations + step_.positions[first_ + row] * 2 * half;
    for (std::int64_t head = 0; head < heads.num_heads + heads.num_kv_heads; ++head) {
      float* at = qkv + head * size;
      const bool is_query = head < heads.num_heads;
      const Norm& norm = is_query ? layer.query_norm : layer.key_norm;
      if (norm.weight != nullptr) rms_norm(at, size, norm, at);
      rotate(at, cosines, cosines + half, half);
      if (is_query) scale(at, size, layer.scaling);
    }
    write(heads, qkv + heads.num_heads * size, step_.slots[first_ + row]);
  }

  // Joins heads to the residual and adds what the perceptron makes of that.
  void transform_in(const Layer& layer) {
    const Rows attended{memory_.attended, layer.output->inputs, num_rows_};
    if (prepared_bytes(*layer.output, num_rows_) > 0) {
      prepare_rows(*layer.output, attended, own_rows());
      end(Phase::attention);
    }
    multiply_rows(*layer.output, attended, memory_.hidden, memory_.hidden, hidden_size_);
    end(Phase::output);
    norm_for(*layer.gate_up, layer.mlp_norm);
    const std::int64_t size = layer.down->inputs;
    multiply_rows(*layer.gate_up, {memory_.normed, hidden_size_, num_rows_}, nullptr, memory_.gate_up, 2 * size);
    end(Phase::gate_up);
    const Range range = own_rows();
    for (std::int64_t row = range.first; row < range.last; ++row) {
      const float* gates = memory_.gate_up + row * 2 * size;
      gate(gates, gates + size, size, memory_.activated + row * size);
    }
    const Rows activated{memory_.activated, size, num_rows_};
    prepare_rows(*layer.down, activated, range);
    end(Phase::gate);
    multiply_rows(*layer.down, activated, memory_.hidden, memory_.hidden, hidden_size_);
    end(Phase::down);
  }

  // Goes on with only those rows whose logits are wanted, in the order in which they are.
  void keep_wanted() {
    if (thread_ == 0) find_wanted();
    end(Phase::last_rows);
    const Range range = share(shared_.num_wanted, thread_, num_threads_);
    const std::int64_t size = decoder_.num_heads * decoder_.head_size;
    for (std::int64_t i = range.first; i < range.last; ++i) {
      const std::int64_t row = step_.last[memory_.wanted[i]] - first_;
      copy_as<Float32>(memory_.hidden + row * hidden_size_, hidden_size_, memory_.normed + i * hidden_size_);
      copy_as<Float32>(memory_.attended + row * size, size, memory_.qkv + i * size);
    }
    end(Phase::last_rows);
    std::swap(memory_.hidden, memory_.normed);
    std::swap(memory_.attended, memory_.qkv);
    num_rows_ = shared_.num_wanted;
  }

  void find_wanted() {
    shared_.num_wanted = 0;
    for (std::int64_t i = 0; i < step_.num_last; ++i)
      if (step_.last[i] >= first_ && step_.last[i] < first_ + num_rows_) memory_.wanted[shared_.num_wanted++] = i;
  }

  void keep_last_rows() {
    const Range range = own_rows();
    for (std::int64_t row = range.first; row < range.last; ++row)
      rms_norm(memory_.hidden + row * hidden_size_, hidden_size_, decoder_.last_norm,
               step_.last_rows + memory_.wanted[row] * hidden_size_);
    end(Phase::last_rows);
  }

  const Decoder& decoder_;
  const Step& step_;
  Shared& shared_;
  PhaseClock clock_;
  const int thread_, num_threads_;
  Workspace memory_;
  const std::int64_t hidden_size_;
  std::int64_t first_ = 0, num_rows_ = 0;
};

}  // namespace
}  // namespace runstream

std::int64_t runstream_workspace_bytes(const runstream::Decoder* decoder) {
  runstream::Workspace made;
  return runstream::lay_out(*decoder, nullptr, made);
}

void runstream_decode(const runstream::Decoder* decoder, const runstream::Step* step) {
  using namespace runstream;
  Workspace workspace;
  lay_out(*decoder, decoder->workspace, workspace);
  Shared shared;
  const std::int64_t num_parts = (step->num_tokens + decoder->max_rows - 1) / decoder->max_rows;
  in_parallel(decoder->num_threads, [&](int thread, int num_threads) {
    for (int i = 0; i < num_parts; ++i) {
      const Range places = share(step->num_tokens, i, static_cast<int>(num_parts));
      Part(*decoder, *step, workspace, shared, thread, num_threads).run(places.first, places.last);
    }
    Part(*decoder, *step, workspace, shared, thread, num_threads).unembed();
  });
}

std::int64_t runstream_decoder_layout() {
  using namespace runstream;
  return static_cast<std::int64_t>(sizeof(Layer) + (sizeof(Decoder) << 16) + (sizeof(Step) << 32));
}

#if defined(RUNSTREAM_PHASES)
void runstream_take_phases(double* seconds) {
  for (double& spent : runstream::phase_seconds) *seconds++ = std::exchange(spent, 0.0);
}
#endif
