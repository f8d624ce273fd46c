#version 460
#extension GL_GOOGLE_include_directive : require
#include "small/hyper_expand.h"
// Hyper-connections after a block: adds the block's output to every residual stream, and mixes the streams.
// An invocation takes one value of all streams.
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool MIX = true;        // without MIX every residual stream becomes y
layout(binding = 0) buffer X { float x[]; };          // [n_tokens][STREAMS][n]
layout(binding = 1) readonly buffer Y { float y[]; }; // [n_tokens][n]
// [n_tokens]{ post[STREAMS], comb[STREAMS][STREAMS] }
layout(binding = 2) readonly buffer Mix { float weights[]; };
const uint STREAMS = 4u;

void main() {
    const uint k = gl_GlobalInvocationID.x;
    if (k >= args.n) return;
    for (uint t = gl_WorkGroupID.y; t < args.n_tokens; t += gl_NumWorkGroups.y) {
        const uint at = args.x_base + t * STREAMS * args.n + k,
            mix_at = args.mix_base + t * STREAMS * (1u + STREAMS);
        const float out_value = y[args.y_base + t * args.n + k];
        float old[STREAMS];
        if (MIX)
            for (uint j = 0u; j < STREAMS; j++) old[j] = x[at + j * args.n];
        for (uint i = 0u; i < STREAMS; i++) {
            precise float v = out_value;
            if (MIX) {
                v = v * weights[mix_at + i];
                for (uint j = 0u; j < STREAMS; j++) v = v + weights[mix_at + STREAMS * (1u + j) + i] * old[j];
            }
            x[at + i * args.n] = v;
        }
    }
}
