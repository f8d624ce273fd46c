// The arguments and the bindings of the variants of roofline. Define before the include: ELEMENT, the type of
// x and y: uint or float.
#include "roofline/roofline.h"
layout(binding = 0) readonly buffer X { ELEMENT x[]; };
layout(binding = 1) writeonly buffer Y { ELEMENT y[]; }; // one an invocation
