#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/compress.h"
// Stores the part of the last tokens that later rows may need in the ring that compress.comp reads.
// Workgroups: columns x tokens.
layout(local_size_x = 64) in;
layout(constant_id = 2) const bool OVERLAP = false;
layout(binding = 0) readonly buffer Kv { float kv[]; };            // [n_tokens][width()]
layout(binding = 1) readonly buffer Gate { float gate[]; };        // [n_tokens][width()]
layout(binding = 2) readonly buffer Position { uint position[]; };
layout(binding = 3) writeonly buffer State { float state[]; };     // [n_state]{ kv[width()], gate[width()] }

void main() {
    const uint n = OVERLAP ? 2u * args.n_key : args.n_key, column = gl_GlobalInvocationID.x;
    const uint t = args.n_tokens - min(args.n_tokens, args.n_state) + gl_WorkGroupID.y;
    if (column >= n) return;
    const uint to = args.state_base + (position[args.position_base] + t) % args.n_state * 2u * n + column;
    state[to] = kv[args.kv_base + t * n + column];
    state[to + n] = gate[args.gate_base + t * n + column];
}
