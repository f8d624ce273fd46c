// Presents a hub folder of a model_type of hub_config.c (config.json, *.safetensors, tokenizer.json) as one
// GGUF-like directory: the keys and tensor names of its architecture (of DeepSeek-V2 and V3, "deepseek2") as
// llama.cpp's converter writes them. Differences, on purpose:
//  - the multi-token-prediction layers are kept: block_count includes them, nextn_predict_layers says how many they are (the way
//    llama.cpp counts them for other architectures; for deepseek2 its converter drops them);
//  - yarn_attn_factor is never written; rope.scaling.attn_factor is, when mscale and mscale_all_dim differ.
// GGUF has no key for how a group of experts is judged. llama.cpp always takes the sum of the two best, which is V3's rule;
// V2's is the best one. src/model tells them apart by the gate's function (sigmoid: V3), so a folder that mixes them is refused here.
#ifndef FM_FILE_HUB_H
#define FM_FILE_HUB_H
#include "file/tensors.h"

struct fm_tensors *fm_hub_open(const char *dir, struct fathom_error *err);
#endif
