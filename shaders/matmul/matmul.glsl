// The common part of the variants of matmul: the arguments, the type of the weight and the bindings. Define
// before the include: X_ELEMENT, the type of x's elements: float or vec4. Define NORM_AFTER and local_size in
// a variant that can also norm y (see include/norm_after.glsl).
#include "matmul/matmul.h"
layout(constant_id = 0) const uint TYPE = 0;
layout(constant_id = 1) const bool RESIDUAL = false;
layout(binding = 0) readonly buffer W { uint words[]; };
layout(binding = 1) readonly buffer X { X_ELEMENT x[]; };
layout(binding = 2) readonly buffer Residual { float residual[]; };
#ifdef NORM_AFTER
layout(binding = 3) coherent buffer Y { float y[]; };
layout(constant_id = 5) const bool NORM = false;                        // also norm y
#define NORM_BINDING 4
#include "include/norm_after.glsl"
#else
layout(binding = 3) writeonly buffer Y { float y[]; };
#endif
