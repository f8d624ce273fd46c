#version 460
#extension GL_GOOGLE_include_directive : require
#include "experts/expert_down.h"
// Adds the parts that the grouped variants stored: y = residual + the shared expert's part + the experts'
// parts times their weights, in this order.
layout(local_size_x = 64) in;
layout(constant_id = 0) const bool SHARED = false;
layout(constant_id = 1) const bool RESIDUAL = true;
// [n_tokens][top_k + 1][n_rows]; the shared expert's part last
layout(binding = 0) readonly buffer Parts { float parts[]; };
layout(binding = 1) readonly buffer Weights { float weights[]; };     // [n_tokens][top_k]
layout(binding = 2) readonly buffer Residual { float residual[]; };   // [n_tokens][n_rows]; may be y
layout(binding = 3) writeonly buffer Y { float y[]; };                // [n_tokens][n_rows]

void main() {
    const uint row = gl_GlobalInvocationID.x, token = gl_WorkGroupID.y,
               at = args.parts_base + token * (args.top_k + 1u) * args.n_rows + row;
    if (row >= args.n_rows) return;
    float sum = RESIDUAL ? residual[args.residual_base + token * args.n_rows + row] : 0.0;
    if (SHARED) sum += parts[at + args.top_k * args.n_rows];
    for (uint slot = 0u; slot < args.top_k; slot++)
        sum += weights[args.weights_base + token * args.top_k + slot] * parts[at + slot * args.n_rows];
    y[args.y_base + token * args.n_rows + row] = sum;
}
