// What the grouped variants share: a workgroup takes some rows of one expert, or of the shared one, and finds the tokens that chose it.
// Before: binding ids and args; ONE_SUBGROUP where a workgroup is one.
#define MAX_GROUP 1024 // tokens of a dispatch
shared uint group[MAX_GROUP]; // choices: token * (top_k + 1) + slot

// Lists the choices of `expert`, in any order, and returns how many. For the whole workgroup; `expert` is the same in all of it.
#ifdef ONE_SUBGROUP
uint find_group(uint expert) { // without a barrier, beside which lavapipe keeps all values in memory
    const uint n_choices = args.n_tokens * args.top_k;
    uint n = 0u;
    for (uint first = 0u; first < n_choices; first += gl_WorkGroupSize.x) {
        const uint i = first + gl_SubgroupInvocationID;
        const bool mine = i < n_choices && ids[args.ids_base + min(i, n_choices - 1u)] == expert;
        const uvec4 all = subgroupBallot(mine);
        const uint at = n + subgroupBallotExclusiveBitCount(all);
        if (mine && at < MAX_GROUP) group[at] = i + i / args.top_k;
        n += subgroupBallotBitCount(all);
    }
    subgroupMemoryBarrierShared();
    return n;
}
#else
shared uint group_size;
uint find_group(uint expert) {
    if (gl_LocalInvocationID.x == 0u) group_size = 0u;
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < args.n_tokens * args.top_k; i += gl_WorkGroupSize.x) {
        if (ids[args.ids_base + i] != expert) continue;
        const uint at = atomicAdd(group_size, 1u);
        if (at < MAX_GROUP) group[at] = i + i / args.top_k;
    }
    barrier();
    return group_size;
}
#endif

// The part of the work that falls to this workgroup, of jobs that are the experts with `expert_tiles` tiles of rows each, then the tiles
// of the shared expert's rows.
struct job {
    bool is_expert;
    uint expert;
    uint first_row, n_rows; // of the matrix, and how many of them are the workgroup's: 0 to `tile`
};

job find_job(uint first_expert, uint n_experts, uint n_rows, uint shared_first, uint shared_end, uint tile) {
    const uint tiles = (n_rows + tile - 1u) / tile, index = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const bool is_expert = index < n_experts * tiles;
    const uint expert = is_expert ? index / tiles : 0u;
    const uint first = is_expert ? (index - expert * tiles) * tile : shared_first + (index - n_experts * tiles) * tile;
    const uint end = is_expert ? n_rows : shared_end;
    return job(is_expert, first_expert + expert, first, first < end ? min(tile, end - first) : 0u);
}

// The i-th choice that is this workgroup's: token * (top_k + 1) + slot, where the shared expert has slot top_k
uint find_choice(job mine, uint i) {
    return mine.is_expert ? group[i] : i * (args.top_k + 1u) + args.top_k;
}
