// Reads memory in some streams, a piece of each in turn: which way is the fastest differs from processor to processor.

#include <cstddef>
#include <cstdint>

// The sum of num_numbers numbers, a multiple of num_streams * in_turn; in_turn is a multiple of a line's eight.
extern "C" std::uint64_t read_numbers(const std::uint64_t* numbers, std::size_t num_numbers, std::size_t num_streams,
                                      std::size_t in_turn) {
    const std::size_t each = num_numbers / num_streams;
    std::uint64_t sums[8] = {};
    for (std::size_t begin = 0; begin < each; begin += in_turn)
        for (std::size_t stream = 0; stream < num_streams; ++stream)
            for (std::size_t i = 0; i < in_turn; i += 8)
                for (std::size_t k = 0; k < 8; ++k) sums[k] += numbers[stream * each + begin + i + k];
    std::uint64_t sum = 0;
    for (const std::uint64_t part : sums) sum += part;
    return sum;
}
