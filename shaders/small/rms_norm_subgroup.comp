#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
// rms_norm.comp with sums by subgroup operations: two barriers a token.
layout(local_size_x_id = 0) in;
#include "small/rms_norm.glsl"
shared float partial[64]; // one a subgroup; 256 invocations, subgroups of at least 4

void main() {
    const uint lane = gl_LocalInvocationID.x;
    for (uint t = gl_WorkGroupID.x; t < args.n_tokens; t += gl_NumWorkGroups.x) {
        const uint x_at = args.x_base + t * args.x_stride, y_at = args.y_base + t * args.y_stride;
        float sum = 0.0;
        for (uint i = lane; i < args.n_cols; i += gl_WorkGroupSize.x) {
            const float v = x[x_at + i];
            sum += v * v;
        }
        sum = subgroupAdd(sum);
        if (gl_NumSubgroups > 1u) {
            barrier();
            if (subgroupElect()) partial[gl_SubgroupID] = sum;
            barrier();
            sum = 0.0;
            for (uint i = 0u; i < gl_NumSubgroups; i++) sum += partial[i];
        }
        const float scale = inversesqrt(sum * args.inv_n_cols + args.eps);
        for (uint i = lane; i < args.n_cols; i += gl_WorkGroupSize.x) {
            const float v = x[x_at + i] * scale;
            y[y_at + i] = WEIGHTED ? v * w[args.w_base + i] : v;
        }
    }
}
