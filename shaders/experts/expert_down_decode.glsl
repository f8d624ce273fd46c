// The decoders of expert_down's two weights: down and shared_down. Include expert_down.glsl first.
#define W_NAME down
#define W_WORD(i) down_words[i]
#include "quant/decode.glsl"
#define W_NAME shared_down
#define W_WORD(i) shared_words[i]
#include "quant/decode.glsl"
