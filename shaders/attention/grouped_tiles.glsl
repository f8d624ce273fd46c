// grouped_rows.glsl with positions in tiles of BLOCK, whose rows of the cache are found while the tile before is worked on.
#include "attention/grouped_rows.glsl"
layout(binding = 4) writeonly buffer Out { float result_out[]; };  // [n_tokens][n_heads][n_head]
shared uint row_at[2u * BLOCK];
uint j0, n;                                                        // positions before the tile's, and all that are seen

uint row_of(uint j) { return row_at[(j0 + j) % (2u * BLOCK)]; }

// Of the tile at `first`; past the last position it stands again, which has no weight there.
void find_rows(uint first) {
    for (uint j = gl_LocalInvocationID.x; j < BLOCK; j += gl_WorkGroupSize.x) row_at[(first + j) % (2u * BLOCK)] = cache_row(min(first + j, n - 1u));
}

// A barrier must follow.
void begin_tiles() {
    n = n_seen(ROWS - 1u);
    j0 = 0u;
    find_rows(0u);
}
