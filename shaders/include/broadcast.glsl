// Floats that all invocations use, in variants for CPUs, whose workgroup is one subgroup. Each lane loads its
// share and broadcasts that share. lavapipe would split a load that is the same for all lanes into scalar
// loads, each with a bounds check and branches. Call these functions with all lanes, because each lane loads
// a share.
// Define before the include: X(i), float i. Enable GL_KHR_shader_subgroup_ballot.
const uint LANES = gl_WorkGroupSize.x; // 4, 8, 16 or 32, see fm_op_row_lanes()

vec2 sum_of_lanes(vec2 v) {
    vec2 sum = vec2(0.0);
    [[unroll]] for (uint i = 0u; i < LANES; i++) sum += subgroupBroadcast(v, i);
    return sum;
}

// X(at) to X(at + 31), and their sum
void load32(uint at, out vec4 v[8], out float sum) {
    float mine = 0.0;
    [[unroll]] for (uint i = 0u; i < 32u; i += LANES) {
        const float x = X(at + i + gl_SubgroupInvocationID);
        mine += x;
        [[unroll]] for (uint j = 0u; j < LANES; j++) v[(i + j) >> 2][(i + j) & 3u] = subgroupBroadcast(x, j);
    }
    sum = sum_of_lanes(vec2(mine, 0.0)).x;
}
