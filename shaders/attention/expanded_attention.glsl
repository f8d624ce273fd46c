// The common part of the variants of expanded_attention: arguments, bindings, and KV_BLOCK, the number of
// positions whose keys and values are expanded at once. KV_BLOCK is also a head's stride in rows of keys[]
// and values[]. A state is n_v values, then m (the largest score) and l (the sum of the weights). The tile
// variant has an m and an l for every group of values. Define before the include: KV_ELEMENT, the type of the
// block's keys and values: float, or uint for two float16.
#include "attention/expanded_attention.h"
layout(constant_id = 0) const uint KV_BLOCK = 512;
layout(binding = 0) readonly buffer Q { float q[]; };                  // [tokens][n_heads][width]
layout(binding = 1) readonly buffer Keys { KV_ELEMENT keys[]; };       // [n_heads][KV_BLOCK][width]
layout(binding = 2) readonly buffer Values { KV_ELEMENT values[]; };   // [n_heads][KV_BLOCK][n_v]
layout(binding = 3) buffer State { float state[]; };                   // [tokens][n_heads][state_width]
layout(binding = 4) writeonly buffer Out { float result_out[]; };      // [tokens][n_heads][n_v]
uint key_width() { return args.width; }
uint value_width() { return args.n_v; }
