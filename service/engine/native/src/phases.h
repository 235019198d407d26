// Where a step's time goes, in a library that is built with RUNSTREAM_PHASES. In others nothing of it is left.
#pragma once

#include <chrono>

namespace runstream {

// What threads do between two barriers. The numbers are those of bench/native_step.py.
enum class Phase : int { start = 0, norm, qkv, cache, attention, output, gate_up, gate, down, last_rows, head, count };

#if defined(RUNSTREAM_PHASES)

inline double phase_seconds[static_cast<int>(Phase::count)];

// Gives each phase the time since the one before it ended, on one of the threads.
class PhaseClock {
 public:
  void end(Phase phase) {
    const auto now = std::chrono::steady_clock::now();
    phase_seconds[static_cast<int>(phase)] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

#else

class PhaseClock {
 public:
  void end(Phase) {}
};

#endif

}  // namespace runstream
