// The common part of the variants of embed: the arguments, the type of the table and the bindings.
#include "small/embed.h"
layout(constant_id = 0) const uint TYPE = 0;
layout(binding = 0) readonly buffer W { uint words[]; };
layout(binding = 1) readonly buffer Ids { uint ids[]; };   // [n_tokens]
layout(binding = 2) writeonly buffer X { float x[]; };     // [n_tokens][n_cols]
