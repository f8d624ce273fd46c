// Grouped-query attention of many tokens. A workgroup takes ROWS of the queries that
// share a head's keys and values (its y), and all positions that the last of these
// queries attends to. Queries are in order of tokens, each token's heads side by
// side. There are no splits and there is no merge. Define before the include: ROWS.
layout(constant_id = 0) const uint CACHE = 0;                      // type of the cache: F32, F16 or Q8_0
layout(constant_id = 1) const uint PAGE = 64;                      // FATHOM_PAGE
layout(binding = 0) readonly buffer Q { float q[]; };
layout(binding = 1) readonly buffer Position { uint position[]; };
layout(binding = 2) readonly buffer PageTable { uint page_table[]; };
layout(binding = 3) readonly buffer Pages { uint pages[]; };       // [n_pages][PAGE] rows
uint row_width() { return 2u * args.n_kv * args.n_head; }
uint key_width() { return args.n_head; }
uint value_width() { return args.n_head; }
#include "include/cache_read.glsl"

// among the queries of this dispatch that share keys
uint index_of(uint row) { return gl_WorkGroupID.x * ROWS + row; }
uint of_kv() { return args.n_heads / args.n_kv; }
// Rows past the last query repeat queries of the last token.
bool is_query(uint row) { return index_of(row) < args.n_tokens * of_kv(); }
uint token_of(uint row) { return args.first_token + min(index_of(row) / of_kv(), args.n_tokens - 1u); }
uint head_of(uint row) { return gl_WorkGroupID.y * of_kv() + index_of(row) % of_kv(); }
uint query_of(uint row) { return args.q_base + token_of(row) * args.q_stride + head_of(row) * args.n_head; }
uint result_of(uint row) {
    return args.out_base + (token_of(row) * args.n_heads + head_of(row)) * args.n_head;
}
// Number of positions that the query attends to
uint n_seen(uint row) { return min(position[args.position_base] + token_of(row) + 1u, args.max_positions); }
uint key_column(uint k) { return gl_WorkGroupID.y * args.n_head + k; }
uint value_column(uint k) { return (args.n_kv + gl_WorkGroupID.y) * args.n_head + k; }
