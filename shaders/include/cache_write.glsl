// Writing to the cache. Include this file after row_width(), the constant
// CACHE, and the binding `writeonly uint pages[]`. Define before the include:
// `vec2 cache_pair(uint i)`, elements 2i and 2i + 1 of the row. Exact.
#include "include/cache.glsl"

const uint CHUNK = 64u;         // words of four elements that a workgroup holds at once
shared vec4 four_of[CHUNK];
shared float most_of[CHUNK];    // the largest magnitude of each four

// The bits of a block's scale: the float16 nearest to the largest magnitude of its 32 elements / 127.
uint block_scale(uint block) {
    float most = 0.0;
    for (uint i = 0u; i < 8u; i++) most = max(most, most_of[8u * block + i]);
    precise float wanted = most * (1.0 / 127.0);
    return half_encode(wanted);
}

uint signed_bytes(vec4 v, uint scale) {
    const float stored = half_decode(scale), inverse = stored > 0.0 ? exact_reciprocal(stored) : 0.0;
    uint word = 0u;
    for (uint j = 0u; j < 4u; j++) {
        precise float scaled = abs(v[j]) * inverse;
        scaled = scaled + 0.5;
        const int n = min(int(scaled), 127);
        word |= uint((v[j] < 0.0 ? -n : n) & 255) << (8u * j);
    }
    return word;
}

// Writes elements [first, end) of the row at word `row` of pages[]. All
// `lanes` invocations of the workgroup call this function, and each writes
// its part. For Q8_0, first and end are multiples of 64, or the row's end.
void write_row(uint row, uint first, uint end, uint lane, uint lanes) {
    if (CACHE == TYPE_Q8_0) {
        for (uint start = first / 4u; start < end / 4u; start += CHUNK) {
            barrier(); // all invocations have read the last chunk
            for (uint i = lane; i < CHUNK; i += lanes) {
                vec4 v = vec4(0.0);
                if (start + i < end / 4u)
                    v = vec4(cache_pair(2u * (start + i)), cache_pair(2u * (start + i) + 1u));
                four_of[i] = v;
                most_of[i] = max(max(abs(v.x), abs(v.y)), max(abs(v.z), abs(v.w)));
            }
            barrier();
            for (uint i = lane; i < CHUNK && start + i < end / 4u; i += lanes) {
                const uint scale = block_scale(i / 8u);
                pages[row + start + i] = signed_bytes(four_of[i], scale);
                // the scales of two blocks share a word
                if (i % 16u == 0u)
                    pages[row + row_width() / 4u + (start + i) / 16u] =
                        scale | (block_scale(i / 8u + 1u) << 16);
            }
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
