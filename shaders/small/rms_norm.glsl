// The arguments, the constant and the bindings of the variants of rms_norm.
#include "small/rms_norm.h"
layout(constant_id = 1) const bool WEIGHTED = true;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float w[]; };
layout(binding = 2) writeonly buffer Y { float y[]; };
