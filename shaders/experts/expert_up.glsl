// The common part of the variants of expert_up: the arguments, the types of the weights and the bindings.
// Define before the include: X_ELEMENT, the type of x's elements: float or vec4.
#include "experts/expert_up.h"
layout(constant_id = 0) const uint GATE_TYPE = 0;
layout(constant_id = 1) const uint UP_TYPE = 0;
layout(constant_id = 2) const uint SHARED_GATE_TYPE = 0;
layout(constant_id = 3) const uint SHARED_UP_TYPE = 0;
layout(binding = 0) readonly buffer X { X_ELEMENT x[]; };   // [n_tokens][n_cols]
layout(binding = 1) readonly buffer Ids { uint ids[]; };    // [n_tokens][top_k]
layout(binding = 2) writeonly buffer H { float h[]; };      // [n_tokens][top_k * n_inter + n_shared]
// A slice of each weight: gate and up [n_experts][n_inter][n_cols], the shared ones [n_shared][n_cols]
layout(binding = 3) readonly buffer Gate { uint gate_words[]; };
layout(binding = 4) readonly buffer Up { uint up_words[]; };
layout(binding = 5) readonly buffer SharedGate { uint shared_gate_words[]; };
layout(binding = 6) readonly buffer SharedUp { uint shared_up_words[]; };
