// The common part of the variants of expanded_attention: the arguments, the bindings and KEPT, the positions
// of the expanded block, which are a head's rows of keys and of values. A state is n_v values, then m and l.
// The tile variant has an m and an l for every group of values. Define before the include: KEPT_ELEMENT, the
// type of the block's keys and values: float, or uint for two float16.
#include "attention/expanded_attention.h"
layout(constant_id = 0) const uint KEPT = 512;
layout(binding = 0) readonly buffer Q { float q[]; };                  // [tokens][n_heads][width]
layout(binding = 1) readonly buffer Keys { KEPT_ELEMENT keys[]; };     // [n_heads][KEPT][width]
layout(binding = 2) readonly buffer Values { KEPT_ELEMENT values[]; }; // [n_heads][KEPT][n_v]
layout(binding = 3) buffer State { float state[]; };                   // [tokens][n_heads][state_width]
layout(binding = 4) writeonly buffer Out { float result_out[]; };      // [tokens][n_heads][n_v]
uint key_width() { return args.width; }
uint value_width() { return args.n_v; }
