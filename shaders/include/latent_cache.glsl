// Reading the latent cache of one layer: rows of args.kv_rank + args.n_rope values, float32 or float16 pairs (low half first), in pages
// that a table finds. Include after the argument block (kv_rank, n_rope, n_pages, pages_base, page_table_base) and the constants HALF and
// PAGE, with the bindings `uint page_table[]` and `uint pages[]`.
#include "include/exact.glsl"

uint latent_width() {
    return args.kv_rank + args.n_rope;
}

// Index in pages[] of the first word of a position's row. A page that does not exist is read as page 0.
uint latent_row(uint position) {
    const uint page = page_table[args.page_table_base + position / PAGE];
    return args.pages_base + ((page < args.n_pages ? page : 0u) * PAGE + position % PAGE) * (HALF ? latent_width() / 2u : latent_width());
}

// Elements k to k + 3 of a row, k a multiple of 4; exact
vec4 latent4(uint row, uint k) {
    if (HALF) {
        const uint a = pages[row + k / 2u], b = pages[row + k / 2u + 1u];
        return vec4(half_decode(a & 0xffffu), half_decode(a >> 16), half_decode(b & 0xffffu), half_decode(b >> 16));
    }
    return uintBitsToFloat(uvec4(pages[row + k], pages[row + k + 1u], pages[row + k + 2u], pages[row + k + 3u]));
}

// The same by the device's own conversion, which may flush subnormals
vec4 latent4_fast(uint row, uint k) {
    if (HALF) return vec4(unpackHalf2x16(pages[row + k / 2u]), unpackHalf2x16(pages[row + k / 2u + 1u]));
    return uintBitsToFloat(uvec4(pages[row + k], pages[row + k + 1u], pages[row + k + 2u], pages[row + k + 3u]));
}
