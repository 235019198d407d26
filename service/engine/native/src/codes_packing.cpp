#include "codes_packing.h"

#include "codes_layout.h"
#include "parallel.h"
#include "vectors.h"

namespace runstream {

namespace {

// Calls visit(input, byte, shift) with where each code of an output lies in its panel.
template <class Visit>
void visit_codes(const Matrix& matrix, std::int64_t output, const Visit& visit) {
  const CodesLayout layout(matrix);
  const bool has_halves = matrix.bits == 4;
  auto* panel = static_cast<std::uint8_t*>(const_cast<void*>(matrix.panels)) + output / kLanes * layout.panel_bytes;
  for (std::int64_t group = 0; group < layout.groups; ++group) {
    std::uint8_t* const lane = panel + code_bytes(matrix.bits, group * layout.padded) + output % kLanes * kQuad;
    for (std::int64_t at = 0; at < matrix.group_size; ++at) {
      const std::int64_t line = has_halves ? at / kPair : at / kQuad;
      visit(group * matrix.group_size + at, lane[line * kQuadBytes + at % kQuad], has_halves && at % kPair >= kQuad ? 4 : 0);
    }
  }
}

// The place of an output's scale or zero of a group.
std::int64_t place_of(const CodesLayout& layout, std::int64_t output, std::int64_t group) {
  return (output / kLanes * layout.groups + group) * kLanes + output % kLanes;
}

void write_number(const void* numbers, bool is_half, std::int64_t place, float value) {
  void* const to = const_cast<void*>(numbers);
  if (is_half) {
    static_cast<std::uint16_t*>(to)[place] = float16_of_float(value);
  } else {
    static_cast<float*>(to)[place] = value;
  }
}

float read_number(const void* numbers, bool is_half, std::int64_t place) {
  return is_half ? float_of_float16(static_cast<const std::uint16_t*>(numbers)[place])
                 : static_cast<const float*>(numbers)[place];
}

void pack_scale(const Matrix& matrix, std::int64_t place, float scale, const float* zero) {
  const bool is_half = matrix.has_half_scales != 0;
  write_number(matrix.scales, is_half, place, scale);
  if (matrix.zero_type == ZeroType::offsets) {
    write_number(matrix.zeros, is_half, place, *zero);
  } else if (matrix.zero_type == ZeroType::bytes) {
    static_cast<std::uint8_t*>(const_cast<void*>(matrix.zeros))[place] = static_cast<std::uint8_t>(*zero);
  }
}

float weight_of(const Matrix& matrix, std::int64_t place, int code) {
  const bool is_half = matrix.has_half_scales != 0;
  const float scale = read_number(matrix.scales, is_half, place);
  if (matrix.zero_type == ZeroType::offsets) {
    return multiply_add(scale, static_cast<float>(code), read_number(matrix.zeros, is_half, place));
  }
  const bool has_zeros = matrix.zero_type == ZeroType::bytes;
  const int zero = has_zeros ? static_cast<const std::uint8_t*>(matrix.zeros)[place] : centre_of(matrix.bits);
  return scale * static_cast<float>(code - zero);
}

}  // namespace

void take_codes_output(const Matrix& matrix, std::int64_t output, float* out) {
  const CodesLayout layout(matrix);
  visit_codes(matrix, output, [&](std::int64_t input, std::uint8_t byte, int shift) {
    const int code = matrix.bits == 4 ? byte >> shift & 15 : byte;
    const std::int64_t place = matrix.order == nullptr ? input : matrix.order[input];
    out[place] = weight_of(matrix, place_of(layout, output, input / matrix.group_size), code);
  });
}

}  // namespace runstream

void runstream_pack_codes(const runstream::Matrix* matrix, const std::uint8_t* codes, const float* scales,
                          const float* zeros, std::int32_t num_threads) {
  using namespace runstream;
  const CodesLayout layout(*matrix);
  in_parallel(num_threads, [&](int thread, int count) {
    const Range own = share(matrix->outputs, thread, count);
    for (std::int64_t output = own.first; output < own.last; ++output) {
      const std::uint8_t* const from = codes + output * matrix->inputs;
      visit_codes(*matrix, output, [&](std::int64_t input, std::uint8_t& byte, int shift) {
        byte = static_cast<std::uint8_t>(byte | from[input] << shift);
      });
      for (std::int64_t group = 0; group < layout.groups; ++group) {
        const std::int64_t index = output * layout.groups + group;
        pack_scale(*matrix, place_of(layout, output, group), scales[index], zeros == nullptr ? nullptr : zeros + index);
      }
    }
  });
}
