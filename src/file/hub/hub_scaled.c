// Determines how a folder stores a matrix: as floats, or in 8 or 4 bits with the scales in a separate tensor.
#include "file/hub/hub_parts.h"
#include "file/scaled.h"
#include "quant/types.h"
#include <string.h>

static bool check_scales(struct fm_hub *hub, const struct fm_safetensor *scales, uint64_t n_rows,
    uint64_t n_cols, const char *of, bool floats_too) {
    const bool exponents = !strcmp(scales->dtype, "F8_E8M0");
    if (!exponents && !(floats_too && !strcmp(scales->dtype, "F32")))
        return fm_fail(hub->err, FATHOM_UNSUPPORTED,
            "%s: tensor %s holds the scales of %s as %s; supported: %s", hub->dir, scales->name, of,
            scales->dtype, floats_too ? "F32, F8_E8M0" : "F8_E8M0");
    if (scales->n_dims != 2 || scales->dims[0] != n_rows || scales->dims[1] != n_cols)
        return fm_fail(hub->err, FATHOM_INVALID,
            "%s: tensor %s holds the scales of %s, expected [%llu, %llu] of them", hub->dir, scales->name, of,
            (unsigned long long)n_rows, (unsigned long long)n_cols);
    return true;
}

static bool check_block_size(struct fm_hub *hub) {
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(hub->config, "quantization_config");
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(config, "weight_block_size"), *side;
    cJSON_ArrayForEach(side, size) if (!cJSON_IsNumber(side) ||
        side->valuedouble != FM_SCALED_F8) return fm_fail(hub->err, FATHOM_UNSUPPORTED,
        "%s: weight_block_size of quantization_config is not [128, 128], the one supported", hub->path);
    return true;
}

static bool scaled_form(struct fm_hub *hub, const struct fm_safetensor *stored,
    const struct fm_safetensor *scales, struct fm_hub_form *form) {
    const bool eight = !strcmp(stored->dtype, "F8_E4M3");
    if (!scales)
        return fm_fail(hub->err, FATHOM_INVALID, "%s: tensor %s is %s, but no tensor holds its scales",
            hub->dir, stored->name, stored->dtype);
    if (stored->n_dims != 2 || stored->size == 0 || stored->dims[0] > INT32_MAX ||
        stored->dims[1] > INT32_MAX)
        return fm_fail(hub->err, FATHOM_INVALID, "%s: tensor %s is %s, but not a matrix", hub->dir,
            stored->name, stored->dtype);
    const uint64_t packed = eight || !strcmp(stored->dtype, "F4") ? 1 : 2, n_rows = stored->dims[0],
                   n_cols = packed * stored->dims[1];
    const uint64_t scale_rows = eight ? (n_rows + FM_SCALED_F8 - 1) / FM_SCALED_F8 : n_rows;
    const uint64_t scale_cols = eight ? (n_cols + FM_SCALED_F8 - 1) / FM_SCALED_F8 : n_cols / FM_SCALED_F4;
    if ((eight && !check_block_size(hub)) ||
        !check_scales(hub, scales, scale_rows, scale_cols, stored->name, eight))
        return false;
    *form = (struct fm_hub_form){
        .kind = eight ? FM_SOURCE_F8 : FM_SOURCE_F4,
        .type = eight ? FATHOM_F8_E4M3 : FATHOM_MXFP4,
        .n_rows = n_rows,
        .n_cols = n_cols,
        .scales = scales->data,
        .scale_cols = (uint32_t)scale_cols,
        .exponents = !strcmp(scales->dtype, "F8_E8M0"),
    };
    return true;
}

bool fm_hub_form(struct fm_hub *hub, const struct fm_safetensor *stored, const struct fm_safetensor *scales,
    struct fm_hub_form *form) {
    // bytes with scales hold two FP4 elements each
    const bool bytes = !strcmp(stored->dtype, "I8") || !strcmp(stored->dtype, "U8");
    if (!strcmp(stored->dtype, "F8_E4M3") || !strcmp(stored->dtype, "F4") || (bytes && scales))
        return scaled_form(hub, stored, scales, form);
    const struct fm_type_info *info = fm_type_find(stored->dtype);
    if (!info || info->block != 1)
        return fm_fail(hub->err, FATHOM_UNSUPPORTED,
            "%s: tensor %s is stored as %s; supported: F32, F16, BF16, F8_E4M3 and FP4 with scales", hub->dir,
            stored->name, stored->dtype);
    const bool matrix = stored->n_dims == 2;
    *form = (struct fm_hub_form){
        .kind = FM_SOURCE_COPY,
        .type = (enum fathom_type)info->type,
        .n_rows = matrix ? stored->dims[0] : 1,
        .n_cols = matrix     ? stored->dims[1]
            : stored->n_dims ? stored->dims[0]
                             : 0,
    };
    return true;
}
