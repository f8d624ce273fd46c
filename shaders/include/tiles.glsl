// Workgroups that take the tiles of a dispatch one after the other until none is left, for CPUs. lavapipe
// splits a dispatch into as many equal parts as it has threads, and a thread that finishes early, or has a
// core of its own, then waits for the others. The dispatch has as many workgroups as tiles. Workgroups that
// start late find no tile left.
//     for (uint round = 0u; take_tile(round); round++) ..., with `tile` in place of gl_WorkGroupID
// Enable GL_KHR_shader_subgroup_ballot. The workgroup is one subgroup.
#include "include/bindings.h"
// n_taken, n_left: zero before and after a dispatch. x_first and so on: the first tile of a part of a
// dispatch (gpu/commands.c writes them), where gl_NumWorkGroups is that of the part.
layout(binding = FM_TILES_BINDING) coherent buffer Tiles { uint n_taken, n_left, x_first, y_first, z_first; };
uvec3 tile;

// Rounds of one workgroup. lavapipe 22.3 ends an invocation
// without a message after 65535 rounds of all its loops.
const uint MOST_TILES = 8u;

bool take_tile(uint round) {
    const uvec3 n = gl_NumWorkGroups;
    const uint n_tiles = n.x * n.y * n.z;
    uint i = n_tiles;
    if (gl_LocalInvocationID.x == 0u) {
        if (round < MOST_TILES) i = atomicAdd(n_taken, 1u);
        // The last workgroup resets the counters
        if (i >= n_tiles && atomicAdd(n_left, 1u) + 1u == n_tiles) n_taken = n_left = 0u;
    }
    i = subgroupBroadcastFirst(i);
    tile = uvec3(x_first, y_first, z_first) + uvec3(i % n.x, i / n.x % n.y, i / n.x / n.y);
    return i < n_tiles;
}
