// The common part of the variants of index_score (the scores of the lightning indexer): the arguments, the
// constants, the bindings, the reading of the cache and the places of queries and scores. Workgroups: tiles
// of 64 positions x 1 x tokens.
#include "attention/index_score.h"
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32 or F16
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(binding = 0) readonly buffer Q { float q[]; };              // [n_tokens][n_heads][n_key]
layout(binding = 1) readonly buffer Weights { float weights[]; };  // [n_tokens][n_heads]
layout(binding = 2) readonly buffer Position { uint position[]; };
layout(binding = 3) readonly buffer PageTable { uint page_table[]; };
layout(binding = 4) readonly buffer Pages { uint pages[]; };       // [n_pages][PAGE][n_key]
layout(binding = 5) writeonly buffer Scores { float scores[]; };   // [tokens][stride]
uint row_width() { return args.n_key; }
#include "include/cache_read.glsl"
const uint TILE = 64u;

uint token() { return args.first_token + gl_WorkGroupID.z; }
// Rows that the token attends to: one for every `ratio` positions up to the token's own
uint n_seen() { return min((position[args.position_base] + token() + 1u) / args.ratio, args.stride); }
uint query_at(uint head) { return args.q_base + (token() * args.n_heads + head) * args.n_key; }
uint score_at(uint at) { return args.scores_base + gl_WorkGroupID.z * args.stride + at; }

float head_weight(uint head) {
    precise float w = weights[args.weights_base + token() * args.n_heads + head] * args.scale;
    return w;
}
