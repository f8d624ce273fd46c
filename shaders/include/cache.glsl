// The cache of one layer: rows of row_width() values, one row a position, in pages that
// a page table maps. A row is words of float32, or of float16 pairs, low half first. A
// row of Q8_0 is words of signed bytes, low byte first, then a float16 scale for every
// 32 bytes, in pairs. Include this file after row_width() and the constant CACHE.
#include "include/exact.glsl"
#include "quant/common.glsl"

uint row_words() {
    const uint width = row_width();
    return CACHE == TYPE_F16 ? width / 2u : CACHE == TYPE_Q8_0 ? width / 4u + (width + 63u) / 64u : width;
}
