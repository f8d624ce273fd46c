// The common part of the variants of expert_down: the arguments, the types of the weights and the bindings.
// Define before the include: H_ELEMENT, the type of h's elements: float or vec4. Define GROUPED in a variant
// that stores the parts of y, which expert_down_sum.comp adds. Define NORM_AFTER and local_size in a variant
// that can also norm y (see include/norm_after.glsl).
#include "experts/expert_down.h"
layout(constant_id = 0) const uint DOWN_TYPE = 0;
layout(constant_id = 1) const uint SHARED_TYPE = 0;
layout(binding = 0) readonly buffer H { H_ELEMENT h[]; };           // [n_tokens][top_k * n_inter + n_shared]
layout(binding = 1) readonly buffer Ids { uint ids[]; };            // [n_tokens][top_k]
// A slice of each weight: down [n_experts][n_rows][n_inter], shared down [n_rows][n_shared]
#ifdef GROUPED
// [n_tokens][top_k + 1][n_rows]: the shared expert's part last
layout(binding = 2) writeonly buffer Parts { float parts[]; };
layout(binding = 3) readonly buffer Down { uint down_words[]; };
layout(binding = 4) readonly buffer SharedDown { uint shared_words[]; };
#else
layout(constant_id = 2) const bool SHARED = false;
layout(constant_id = 6) const bool RESIDUAL = true;
layout(binding = 2) readonly buffer Weights { float weights[]; };   // [n_tokens][top_k]
layout(binding = 3) readonly buffer Residual { float residual[]; }; // [n_tokens][n_rows]; may be y
#ifdef NORM_AFTER
layout(binding = 4) coherent buffer Y { float y[]; };               // [n_tokens][n_rows]
#else
layout(binding = 4) writeonly buffer Y { float y[]; };              // [n_tokens][n_rows]
#endif
layout(binding = 5) readonly buffer Down { uint down_words[]; };
layout(binding = 6) readonly buffer SharedDown { uint shared_words[]; };
#ifdef NORM_AFTER
layout(constant_id = 5) const bool NORM = false;                    // also norm y
#define NORM_BINDING 7
#include "include/norm_after.glsl"
#endif
#endif
