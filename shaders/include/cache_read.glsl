// Reading the cache. Include this file after the argument block (with n_pages, pages_base, page_table_base),
// row_width(), the constants CACHE and PAGE, and the bindings `uint page_table[]` and `uint pages[]`.
#include "include/cache.glsl"

// Index in pages[] of the first word of a position's row. A page that does not exist is read as page 0.
uint cache_row(uint position) {
    const uint page = page_table[args.page_table_base + position / PAGE];
    return args.pages_base + ((page < args.n_pages ? page : 0u) * PAGE + position % PAGE) * row_words();
}

// Scale of element k in Q8_0
float cache_scale(uint row, uint k) {
    return half_decode((pages[row + row_width() / 4u + k / 64u] >> (k / 2u & 16u)) & 0xffffu);
}

// Elements k to k + 3 of a row; k is a multiple of 4. Exact.
vec4 cache4(uint row, uint k) {
    if (CACHE == TYPE_F16) {
        const uint a = pages[row + k / 2u], b = pages[row + k / 2u + 1u];
        return vec4(half_decode(a & 0xffffu), half_decode(a >> 16), half_decode(b & 0xffffu),
            half_decode(b >> 16));
    }
    if (CACHE == TYPE_Q8_0) {
        precise vec4 v = cache_scale(row, k) * signed_bytes(pages[row + k / 4u]);
        return v;
    }
    return uintBitsToFloat(uvec4(pages[row + k], pages[row + k + 1u], pages[row + k + 2u],
        pages[row + k + 3u]));
}

// cache4() with the device's conversion of float16, which may flush subnormals
vec4 cache4_fast(uint row, uint k) {
    if (CACHE == TYPE_F16)
        return vec4(unpackHalf2x16(pages[row + k / 2u]), unpackHalf2x16(pages[row + k / 2u + 1u]));
    return cache4(row, k);
}
