#version 460
#extension GL_GOOGLE_include_directive : require
// y[t][i] = x[t][i] / sqrt(mean_i(x[t][i]^2) + eps) * w[i], a workgroup a token. Exact: lane l adds the
// squares l, l + 64, … in order, then a tree adds the 64 lanes.
layout(local_size_x = 64) in;
#include "small/rms_norm.glsl"
#include "include/exact.glsl"
shared float partial[64];

void main() {
    const uint lane = gl_LocalInvocationID.x;
    for (uint t = gl_WorkGroupID.x; t < args.n_tokens; t += gl_NumWorkGroups.x) {
        const uint x_at = args.x_base + t * args.x_stride, y_at = args.y_base + t * args.y_stride;
        precise float sum = 0.0;
        for (uint i = lane; i < args.n_cols; i += 64u) {
            const float v = x[x_at + i];
            sum = sum + v * v;
        }
        barrier(); // all invocations have read the last token's partial[0]
        partial[lane] = sum;
        for (uint half_n = 32u; half_n > 0u; half_n /= 2u) {
            barrier();
            if (lane < half_n) {
                precise float pair = partial[lane] + partial[lane + half_n];
                partial[lane] = pair;
            }
        }
        barrier();
        precise float mean = partial[0] * args.inv_n_cols + args.eps;
        const float scale = exact_rsqrt(mean);
        for (uint i = lane; i < args.n_cols; i += 64u) {
            precise float v = x[x_at + i] * scale;
            if (WEIGHTED) v = v * w[args.w_base + i];
            y[y_at + i] = v;
        }
    }
}
