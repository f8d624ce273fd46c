// Copies the matrices of a round's missing experts from one source into slots. A job is a tile of one
// expert's matrices: STEPS steps of the whole workgroup. The jobs of all the experts that are missing are
// dealt to the workgroups in turn, so that one expert keeps as many workgroups busy as many experts do.
// Define before the include: UNIT, the type that an invocation copies at once, and UNIT_WORDS, its words.
#include "experts/expert_fetch.h"
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint LANES = 256;
layout(constant_id = 1) const uint STEPS = 4;
layout(binding = 0) readonly buffer Fetches { uint fetches[]; }; // see include/fathom/ops.h
layout(binding = 1) readonly buffer Homes { uint homes[]; };     // [n_experts][4]
layout(binding = 2) readonly buffer Source { UNIT source[]; };
layout(binding = 3) writeonly buffer Gate { UNIT gate[]; };      // a matrix for each slot
layout(binding = 4) writeonly buffer Up { UNIT up[]; };
layout(binding = 5) writeonly buffer Down { UNIT down[]; };
#define AT_ONCE 4u // steps whose reads are under way together; STEPS is a multiple
const uint TILE = LANES * STEPS;

// Copies the tile that begins at unit `first` of the n units from source[from] on to TO[to ..].
#define COPY(TO, n, from, to) \
    for (uint step = 0u; step < STEPS && first + step * LANES < (n); step += AT_ONCE) { \
        const uint at = first + step * LANES + gl_LocalInvocationID.x; \
        UNIT part[AT_ONCE]; \
        [[unroll]] for (uint i = 0u; i < AT_ONCE; i++) \
            part[i] = source[(from) + min(at + i * LANES, (n) - 1u)]; \
        [[unroll]] for (uint i = 0u; i < AT_ONCE; i++) \
            if (at + i * LANES < (n)) TO[(to) + at + i * LANES] = part[i]; \
    }

void main() {
    const uint n_gate = args.gate_words / UNIT_WORDS, n_up = args.up_words / UNIT_WORDS,
               n_down = args.down_words / UNIT_WORDS;
    const uint gate_tiles = (n_gate + TILE - 1u) / TILE, up_tiles = (n_up + TILE - 1u) / TILE,
               tiles = gate_tiles + up_tiles + (n_down + TILE - 1u) / TILE;
    const uint n_jobs = fetches[args.list_base] * tiles;
    for (uint job = gl_WorkGroupID.x; job < n_jobs; job += gl_NumWorkGroups.x) {
        const uint i = job / tiles, tile = job - i * tiles;
        const uint expert = fetches[args.list_base + 1u + i],
                   slot = fetches[args.list_base + 1u + args.n_slots + i],
                   home = args.homes_base + 4u * expert;
        if (homes[home] != args.source_number) continue;
        if (tile < gate_tiles) {
            const uint first = tile * TILE, from = (args.source_base + homes[home + 1u]) / UNIT_WORDS;
            COPY(gate, n_gate, from, slot * n_gate)
        } else if (tile < gate_tiles + up_tiles) {
            const uint first = (tile - gate_tiles) * TILE,
                       from = (args.source_base + homes[home + 2u]) / UNIT_WORDS;
            COPY(up, n_up, from, slot * n_up)
        } else {
            const uint first = (tile - gate_tiles - up_tiles) * TILE,
                       from = (args.source_base + homes[home + 3u]) / UNIT_WORDS;
            COPY(down, n_down, from, slot * n_down)
        }
    }
}
