#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_ballot : require
// Counts in y[] how often each tile is taken.
layout(local_size_x = 4) in; // no subgroup is smaller
layout(binding = 0) buffer Y { uint y[]; };
#include "include/tiles.glsl"

void main() {
    for (uint round = 0u; take_tile(round); round++)
        if (gl_LocalInvocationID.x == 0u)
            atomicAdd(y[(tile.z * gl_NumWorkGroups.y + tile.y) * gl_NumWorkGroups.x + tile.x], 1u);
}
