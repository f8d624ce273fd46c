// The common part of the variants of expert_gate: the arguments, the constants of the router and the
// bindings. Define before the include: X_ELEMENT, the type of x's elements: float or vec4.
#include "experts/expert_gate.h"
layout(constant_id = 0) const uint TYPE = 0;
layout(constant_id = 1) const uint SCORE = 1;
layout(constant_id = 2) const uint GROUP_SCORE = 0;
layout(constant_id = 3) const bool NORMALISE = false;
layout(constant_id = 4) const bool HAS_BIAS = false;
// [n_experts][n_cols], the rows of this slice
layout(binding = 0) readonly buffer W { uint words[]; };
layout(binding = 1) readonly buffer X { X_ELEMENT x[]; };           // [n_tokens][n_cols]
layout(binding = 2) readonly buffer Bias { float bias[]; };         // [n_experts]
layout(binding = 3) writeonly buffer Ids { uint ids[]; };           // [n_tokens][top_k]
layout(binding = 4) writeonly buffer Weights { float weights[]; };  // [n_tokens][top_k]
// counter[n_tokens], logits[n_tokens][n_experts]
layout(binding = 5) coherent buffer Scratch { uint scratch[]; };
