// The common part of the grouped variants. A workgroup takes some rows of one expert, or of the shared one,
// and finds the tokens that chose the expert. Define before the include: the binding ids and the arguments;
// ONE_SUBGROUP where a workgroup is one subgroup.
#define MAX_GROUP 1024 // tokens of a dispatch
shared uint group[MAX_GROUP]; // choices: token * (top_k + 1) + slot

// Lists the choices of `expert`, in any order, and returns their number. Call with the whole workgroup and
// the same `expert` in all invocations.
#ifdef ONE_SUBGROUP
// Without a barrier, because lavapipe keeps all values in memory across a barrier
uint find_group(uint expert) {
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

// The work of this workgroup. Jobs are the experts, with `expert_tiles` tiles of rows each, then the tiles of
// the shared expert's rows.
struct job {
    bool is_expert;
    uint expert;
    // first_row: of the matrix. n_rows: number of rows of the workgroup, 0 to `tile`.
    uint first_row, n_rows;
};

job find_job(uint first_expert, uint n_experts, uint n_rows, uint shared_first, uint shared_end, uint tile) {
    const uint tiles = (n_rows + tile - 1u) / tile,
        index = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const bool is_expert = index < n_experts * tiles;
    const uint expert = is_expert ? index / tiles : 0u;
    const uint first =
        is_expert ? (index - expert * tiles) * tile : shared_first + (index - n_experts * tiles) * tile;
    const uint end = is_expert ? n_rows : shared_end;
    return job(is_expert, first_expert + expert, first, first < end ? min(tile, end - first) : 0u);
}

// The i-th choice of this workgroup: token * (top_k + 1) + slot, where the shared expert has slot top_k
uint find_choice(job mine, uint i) {
    return mine.is_expert ? group[i] : i * (args.top_k + 1u) + args.top_k;
}
