// Workgroups that take a dispatch's tiles one after the other until none is left, for CPUs: lavapipe cuts a dispatch into as many equal parts as
// it has threads, and who is done early, or on a core of its own, then waits for the others. As many workgroups as tiles are dispatched; those
// that come too late find nothing to do.
//     for (uint round = 0u; take_tile(round); round++) ..., with `tile` in place of gl_WorkGroupID
// Before: GL_KHR_shader_subgroup_ballot; the workgroup is one subgroup.
#include "include/bindings.h"
layout(binding = FM_TILES_BINDING) coherent buffer Tiles { uint n_taken, n_left; }; // zero before and after a dispatch
uvec3 tile;

// Of one workgroup. lavapipe 22.3 ends an invocation without a word after 65535 rounds of all its loops.
const uint MOST_TILES = 8u;

bool take_tile(uint round) {
    const uvec3 n = gl_NumWorkGroups;
    const uint n_tiles = n.x * n.y * n.z;
    uint i = n_tiles;
    if (gl_LocalInvocationID.x == 0u) {
        if (round < MOST_TILES) i = atomicAdd(n_taken, 1u);
        if (i >= n_tiles && atomicAdd(n_left, 1u) + 1u == n_tiles) n_taken = n_left = 0u; // the last workgroup leaves
    }
    i = subgroupBroadcastFirst(i);
    tile = uvec3(i % n.x, i / n.x % n.y, i / n.x / n.y);
    return i < n_tiles;
}
