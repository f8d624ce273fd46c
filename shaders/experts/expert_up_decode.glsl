// The decoders of expert_up's four weights: gate, up, shared_gate, shared_up. Include expert_up.glsl first.
#define W_NAME gate
#define W_WORD(i) gate_words[i]
#include "quant/decode.glsl"
#define W_NAME up
#define W_WORD(i) up_words[i]
#include "quant/decode.glsl"
#define W_NAME shared_gate
#define W_WORD(i) shared_gate_words[i]
#include "quant/decode.glsl"
#define W_NAME shared_up
#define W_WORD(i) shared_up_words[i]
#include "quant/decode.glsl"
