// The latent cache of one layer: rows of args.kv_rank + args.n_rope values in pages that a table finds. A row is words of float32; of float16
// pairs, low half first; or, as Q8_0, of signed bytes, low one first, then a float16 scale for every 32 of them, in pairs. Include after the
// argument block (kv_rank, n_rope) and the constant CACHE.
#include "include/exact.glsl"
#include "quant/common.glsl"

uint latent_width() {
    return args.kv_rank + args.n_rope;
}

uint latent_row_words() {
    const uint width = latent_width();
    return CACHE == TYPE_F16 ? width / 2u : CACHE == TYPE_Q8_0 ? width / 4u + (width + 63u) / 64u : width;
}
