// Reads memory as fast as one thread can: several streams, some lines of each in turn, which keeps more pages and
// prefetchers busy than one stream does.

#include <cstddef>
#include <cstdint>

static constexpr std::size_t STREAMS = 8, NUMBERS_IN_TURN = 2048 / sizeof(std::uint64_t);

// The sum of num_numbers numbers, a multiple of STREAMS * NUMBERS_IN_TURN.
extern "C" std::uint64_t read_numbers(const std::uint64_t* numbers, std::size_t num_numbers) {
    const std::size_t each = num_numbers / STREAMS;
    std::uint64_t sum = 0;
    for (std::size_t begin = 0; begin < each; begin += NUMBERS_IN_TURN)
        for (std::size_t stream = 0; stream < STREAMS; ++stream)
            for (std::size_t i = 0; i < NUMBERS_IN_TURN; ++i) sum += numbers[stream * each + begin + i];
    return sum;
}
