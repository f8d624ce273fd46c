// Presents a hub folder (config.json with a model_type of hub_config.c, *.safetensors, tokenizer.json) as one
// GGUF-like directory, with the keys and tensor names that llama.cpp's converter writes for the architecture.
// Intended differences:
//  - The directory keeps the multi-token-prediction layers: block_count includes them and
//    nextn_predict_layers counts them, as llama.cpp does for other architectures. For deepseek2 its converter
//    drops these layers.
//  - The directory never has yarn_attn_factor. It has rope.scaling.attn_factor where the factor on cosines
//  and
//    sines is not the usual one: mscale and mscale_all_dim differ, or there is an attention_factor or
//    attn_factor.
// What would change the result and is not read is refused by its name: a method of quantization, a kind of
// rope scaling, a bias or a norm that the architecture does not have. GGUF has no key for the score of a
// group of experts. llama.cpp always takes the sum of the two best experts, which is V3's rule; V2 takes the
// best expert. src/model distinguishes the two by the gate's function (sigmoid: V3), so this reader refuses a
// folder that mixes them.
#ifndef FM_FILE_HUB_H
#define FM_FILE_HUB_H
#include "file/tensors.h"

struct fm_tensors *fm_hub_open(const char *dir, struct fathom_error *err);
#endif
