// grouped_rows.glsl with positions in tiles of BLOCK. Where the rows of a tile lie in the cache is looked up
// while the tile before is computed.
#include "attention/grouped_rows.glsl"
layout(binding = 4) writeonly buffer Out { float result_out[]; };  // [n_tokens][n_heads][n_head]
shared uint row_at[2u * BLOCK];
uint j0, n; // j0: positions before the tile; n: positions that are seen

uint row_of(uint j) { return row_at[(j0 + j) % (2u * BLOCK)]; }

// Looks up the rows of the tile at `first`. Entries past
// the last position repeat that position, with weight 0.
void find_rows(uint first) {
    for (uint j = gl_LocalInvocationID.x; j < BLOCK; j += gl_WorkGroupSize.x)
        row_at[(first + j) % (2u * BLOCK)] = cache_row(min(first + j, n - 1u));
}

// Call a barrier afterwards.
void begin_tiles() {
    n = n_seen(ROWS - 1u);
    j0 = 0u;
    find_rows(0u);
}
