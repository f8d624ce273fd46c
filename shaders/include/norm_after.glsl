// RMS norm of the rows that a dispatch completes, by the dispatch's last workgroup. Include this file after
// the binding `coherent buffer Y { float y[]; }`, `#define NORM_BINDING` (the first of three bindings), and
// local_size: before local_size the compiler takes gl_WorkGroupSize as 1 without a message. The argument
// block has norm_w_base, normed_base, counters_base, norm_eps, y_base.
layout(binding = NORM_BINDING) readonly buffer NormW { float norm_w[]; };       // [n]
layout(binding = NORM_BINDING + 1) writeonly buffer Normed { float normed[]; }; // [n_tokens][n]
layout(binding = NORM_BINDING + 2) coherent buffer Counters { uint counters[]; };
#define COUNTER(i) counters[i]
#include "include/last_group.glsl"
shared float norm_part[128]; // of an invocation

// Norms tokens [first, end) of y, rows of n. n_groups workgroups share these tokens and their counter.
void norm_after(uint first, uint end, uint n, uint counter, uint n_groups) {
    if (!is_last_group(args.counters_base + counter, n_groups)) return;
    const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
    for (uint t = first; t < end; t++) {
        const uint y_at = args.y_base + t * n, to = args.normed_base + t * n;
        float sum = 0.0;
        for (uint i = lane; i < n; i += lanes) {
            const float v = y[y_at + i];
            sum += v * v;
        }
        barrier(); // all invocations have read the last token's norm_part
        norm_part[lane] = sum;
        barrier();
        sum = 0.0;
        for (uint i = 0u; i < lanes; i++) sum += norm_part[i];
        const float scale = inversesqrt(sum / float(n) + args.norm_eps);
        for (uint i = lane; i < n; i += lanes)
            normed[to + i] = y[y_at + i] * scale * norm_w[args.norm_w_base + i];
    }
}
