// The common part of the variants of latent_store: the arguments,
// the constants, the bindings and the state of the current token.
#include "attention/latent_store.h"
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(binding = 0) readonly buffer Kv { float kv[]; };            // [n_tokens][kv_rank + n_rope]
layout(binding = 1) readonly buffer W { float w[]; };              // [kv_rank]
layout(binding = 2) readonly buffer Table { float table[]; };      // [n_positions][n_rope / 2]{ cos, sin }
layout(binding = 3) readonly buffer Position { uint position[]; };
layout(binding = 4) readonly buffer PageTable { uint page_table[]; };
layout(binding = 5) writeonly buffer Pages { uint pages[]; };      // [n_pages][PAGE][kv_rank + n_rope]
uint row_width() { return args.width; }

uint from, at; // the token's first value, and the token's position
float scale;   // of the latent's norm
