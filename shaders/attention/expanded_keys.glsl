// The common part of the variants of expanded_keys: arguments, constants, bindings, and reads of the
// cache. Define before the include: RESULT_ELEMENT, the type of the keys and values: float, or uint for two
// float16.
#include "attention/expanded_keys.h"
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(constant_id = 2) const uint TYPE = 0;
layout(constant_id = 3) const bool VALUES = false;
// positions that are expanded at once; also a head's stride in rows of the result
layout(constant_id = 4) const uint KV_BLOCK = 512;
// [heads][kv_rank][n_out], VALUES: [heads][n_out][kv_rank]
layout(binding = 0) readonly buffer W { uint words[]; };
layout(binding = 1) readonly buffer PageTable { uint page_table[]; };
layout(binding = 2) readonly buffer Pages { uint pages[]; };
// [n_heads][KV_BLOCK][n_out + (VALUES ? 0 : n_rope)]
layout(binding = 3) writeonly buffer Out { RESULT_ELEMENT result_out[]; };
uint row_width() { return args.kv_rank + args.n_rope; }
#include "include/cache_read.glsl"
