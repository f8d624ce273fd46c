// The arguments and the bindings of the variants of rope.
#include "attention/rope.h"
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer Table { float table[]; };      // [n_positions][n_rope / 2]{ cos, sin }
layout(binding = 2) readonly buffer Position { uint position[]; };
layout(binding = 3) writeonly buffer Y { float y[]; };
