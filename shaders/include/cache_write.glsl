// Writing to the cache. Include after row_width(), the constant CACHE, and the binding `writeonly uint pages[]`; define before
// `vec2 cache_pair(uint i)`, elements 2i and 2i + 1 of the row, for which repeated calls give the same. Exact.
#include "include/cache.glsl"

// Elements 32 * block to 32 * block + 31, or the row's last, as signed bytes; returns the bits of their scale, the least float16 that reaches
// the largest of them.
uint write_block(uint row, uint block) {
    const uint width = row_width();
    vec2 v[16];
    float most = 0.0;
    for (uint i = 0u; i < 16u; i++) {
        v[i] = 16u * block + i < width / 2u ? cache_pair(16u * block + i) : vec2(0.0);
        most = max(most, max(abs(v[i].x), abs(v[i].y)));
    }
    precise float wanted = most * (1.0 / 127.0);
    const uint scale = half_encode(wanted);
    const float stored = half_decode(scale), inverse = stored > 0.0 ? exact_reciprocal(stored) : 0.0;
    for (uint i = 0u; i < 8u; i++) {
        const vec4 four = vec4(v[2u * i], v[2u * i + 1u]);
        uint word = 0u;
        for (uint j = 0u; j < 4u; j++) {
            precise float scaled = abs(four[j]) * inverse;
            scaled = scaled + 0.5;
            const int n = min(int(scaled), 127);
            word |= uint((four[j] < 0.0 ? -n : n) & 255) << (8u * j);
        }
        if (8u * block + i < width / 4u) pages[row + 8u * block + i] = word;
    }
    return scale;
}

// This invocation's part, of `lanes` that share elements [first, end) of the row at word `row` of pages[]. For Q8_0, multiples of 64, or the
// row's end.
void write_row(uint row, uint first, uint end, uint lane, uint lanes) {
    const uint width = row_width();
    if (CACHE == TYPE_Q8_0) { // two blocks at once, whose scales share a word
        for (uint b = first / 64u + lane; b < (end + 63u) / 64u; b += lanes) {
            uint scales = write_block(row, 2u * b);
            if (2u * b + 1u < (width + 31u) / 32u) scales |= write_block(row, 2u * b + 1u) << 16;
            pages[row + width / 4u + b] = scales;
        }
        return;
    }
    for (uint i = first / 2u + lane; i < end / 2u; i += lanes) {
        const vec2 v = cache_pair(i);
        if (CACHE == TYPE_F16) {
            pages[row + i] = half_encode(v.x) | (half_encode(v.y) << 16);
        } else {
            pages[row + 2u * i] = floatBitsToUint(v.x);
            pages[row + 2u * i + 1u] = floatBitsToUint(v.y);
        }
    }
}
