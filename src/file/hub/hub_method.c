// The method that has quantized a folder's weights: read, or refused by its name.
#include "base/folder.h"
#include "file/hub/hub_parts.h"
#include <stdio.h>
#include <string.h>

static bool refuse(struct fm_hub *hub, const char *where, const char *method, const char *detail) {
    return fm_fail(hub->err, FATHOM_UNSUPPORTED,
        "%s: the weights are quantized by \"%.40s\"%s%.40s%s, which is not read; read are FP8 (E4M3) of the "
        "methods fp8, fbgemm_fp8, compressed-tensors and modelopt, the original folder in BF16, and GGUF "
        "files",
        where, method, *detail ? " (" : "", detail, *detail ? ")" : "");
}

static const char *string_of(const cJSON *object, const char *key, const char *missing) {
    const char *text = cJSON_GetStringValue(fm_hub_item(object, key));
    return text ? text : missing;
}

// compressed-tensors: the weights of every group that has weights are floats of 8 bits.
static bool all_float8(const cJSON *config) {
    const cJSON *groups = fm_hub_item(config, "config_groups"), *group;
    cJSON_ArrayForEach(group, groups) {
        const cJSON *weights = fm_hub_item(group, "weights");
        uint64_t bits = 0;
        if (!weights) continue; // of activations or caches alone
        if (!fm_json_whole(fm_hub_item(weights, "num_bits"), &bits) || bits != 8 ||
            strcmp(string_of(weights, "type", ""), "float") != 0)
            return false;
    }
    return true;
}

static bool check(struct fm_hub *hub, const char *where, const cJSON *config) {
    const char *method = string_of(config, "quant_method", ""), *format = string_of(config, "format", "");
    if (!strcmp(method, "fp8") || !strcmp(method, "fbgemm_fp8")) {
        const char *fmt = string_of(config, "fmt", "e4m3");
        return !strcmp(fmt, "e4m3") || refuse(hub, where, method, fmt);
    }
    if (!strcmp(method, "compressed-tensors"))
        return all_float8(config) || refuse(hub, where, method, *format ? format : "not FP8");
    if (!strcmp(method, "modelopt")) {
        const char *algo = string_of(config, "quant_algo", "no quant_algo");
        return !strncmp(algo, "FP8", 3) || refuse(hub, where, method, algo);
    }
    // bitsandbytes quantizes floats while they are loaded, and its keys stay in the config.json of models
    // that were trained so and saved as floats: the names of the tensors tell
    if (!strcmp(method, "bitsandbytes")) return true;
    if (*method) return refuse(hub, where, method, "");
    // mlx_lm writes neither a method nor a format
    if (fm_hub_item(config, "group_size") && fm_hub_item(config, "bits"))
        return refuse(hub, where, fm_hub_item(hub->config, "quantization") ? "mlx" : "gptq", "");
    return true;
}

// Files beside config.json in which older programs say what they did.
static bool check_beside(struct fm_hub *hub) {
    static const struct {
        const char *file, *method;
    } files[] = {{"hf_quant_config.json", "modelopt"}, {"quantize_config.json", "gptq"},
        {"quant_config.json", "awq"}, {"quantize_config_awq.json", "awq"}};
    struct fm_folder folder;
    bool ok = fm_folder_read(&folder, hub->dir, hub->err);
    for (size_t i = 0; ok && i < sizeof(files) / sizeof(*files); i++) {
        const char *name = fm_folder_find(&folder, files[i].file),
                   *path = name ? fm_hub_path(hub, name) : NULL;
        if (!name) continue;
        cJSON *json = path ? fm_json_load(path, hub->err) : NULL;
        if (!(ok = json)) break;
        const cJSON *part = fm_hub_item(json, "quantization");
        const char *algo = string_of(part, "quant_algo", ""),
                   *method = string_of(json, "quant_method", files[i].method);
        if (strcmp(files[i].method, "modelopt") != 0)
            ok = refuse(hub, path, method, "");
        else if (*algo && strncmp(algo, "FP8", 3) != 0)
            ok = refuse(hub, path, method, algo);
        cJSON_Delete(json);
    }
    fm_folder_free(&folder);
    return ok;
}

bool fm_hub_check_method(struct fm_hub *hub) {
    const cJSON *config = fm_hub_item(hub->config, "quantization_config");
    if (!config) config = fm_hub_item(hub->config, "compression_config"); // older compressed-tensors
    if (!config) config = fm_hub_item(hub->config, "quantization");       // mlx_lm
    return config ? check(hub, hub->path, config) : check_beside(hub);
}
