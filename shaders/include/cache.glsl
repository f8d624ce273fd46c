// The cache of one layer: rows of row_width() values, one a position, in pages that a table finds. A row is words of float32; of float16 pairs,
// low half first; or, as Q8_0, of signed bytes, low one first, then a float16 scale for every 32 of them, in pairs. Include after row_width()
// and the constant CACHE.
#include "include/exact.glsl"
#include "quant/common.glsl"

uint row_words() {
    const uint width = row_width();
    return CACHE == TYPE_F16 ? width / 2u : CACHE == TYPE_Q8_0 ? width / 4u + (width + 63u) / 64u : width;
}
