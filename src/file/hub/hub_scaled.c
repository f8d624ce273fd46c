// Determines how a folder stores a matrix: as floats, or in 8 or 4 bits with the scales in a separate tensor.
#include "file/hub/hub_parts.h"
#include "file/scaled.h"
#include "quant/types.h"
#include <string.h>

static bool find_scale_type(const char *dtype, bool floats_too, enum fm_scale_type *type) {
    static const struct {
        const char *dtype;
        enum fm_scale_type type;
    } types[] = {
        {"F8_E8M0", FM_SCALE_E8M0}, {"F32", FM_SCALE_F32}, {"F16", FM_SCALE_F16}, {"BF16", FM_SCALE_BF16}};
    for (size_t i = 0; i < (floats_too ? 4 : 1); i++)
        if (!strcmp(types[i].dtype, dtype)) return *type = types[i].type, true;
    return false;
}

// The block of rows and columns that share a scale of FP8: 128 by 128 where config.json does not say.
static bool block_size(struct fm_hub *hub, uint32_t *rows, uint32_t *cols) {
    const cJSON *config = fm_hub_item(hub->config, "quantization_config"),
                *size = fm_hub_item(config, "weight_block_size"), *group;
    cJSON_ArrayForEach(group, fm_hub_item(config, "config_groups")) {
        const cJSON *of_group = fm_hub_item(fm_hub_item(group, "weights"), "block_structure");
        if (!size) size = of_group;
    }
    *rows = *cols = FM_SCALED_F8;
    uint64_t sides[2];
    if (!size) return true;
    if (cJSON_GetArraySize(size) != 2 || !fm_json_whole(cJSON_GetArrayItem(size, 0), &sides[0]) ||
        !fm_json_whole(cJSON_GetArrayItem(size, 1), &sides[1]) || sides[0] < 1 || sides[0] > 1u << 20 ||
        sides[1] < 1 || sides[1] > 1u << 20)
        return fm_fail(hub->err, FATHOM_INVALID,
            "%s: weight_block_size of quantization_config is not two whole numbers within 1 to 1048576",
            hub->path);
    *rows = (uint32_t)sides[0];
    *cols = (uint32_t)sides[1];
    return true;
}

// Determines which elements of an FP8 matrix share a scale, from the shape of the scales: a block of them, a
// row, or all.
static bool place_scales(struct fm_hub *hub, const struct fm_safetensor *stored,
    const struct fm_safetensor *scales, struct fm_hub_form *form) {
    uint32_t rows, cols;
    if (!block_size(hub, &rows, &cols)) return false;
    const uint64_t blocks[2] = {(form->n_rows + rows - 1) / rows, (form->n_cols + cols - 1) / cols},
                   n = scales->size / fm_scale_size(form->scale_type), *dims = scales->dims;
    const bool vector = scales->n_dims == 1 || (scales->n_dims == 2 && dims[1] == 1);
    form->rows_per_scale = form->cols_per_scale = UINT32_MAX;
    form->scale_cols = 1;
    if (scales->n_dims == 2 && dims[0] == blocks[0] && dims[1] == blocks[1]) {
        form->rows_per_scale = rows;
        form->cols_per_scale = cols;
        form->scale_cols = (uint32_t)blocks[1];
    } else if (vector && dims[0] == form->n_rows) {
        form->rows_per_scale = 1;
    } else if (n != 1 || scales->n_dims > 2) {
        return fm_fail(hub->err, FATHOM_INVALID,
            "%s: tensor %s holds the scales of %s, expected [%llu, %llu] of them, one a row (%llu), or one",
            hub->dir, scales->name, stored->name, (unsigned long long)blocks[0],
            (unsigned long long)blocks[1], (unsigned long long)form->n_rows);
    }
    // a presented block has one scale
    if (form->cols_per_scale % FM_SCALED_F8 && form->cols_per_scale < form->n_cols) form->type = FATHOM_F32;
    return true;
}

static bool scaled_form(struct fm_hub *hub, const struct fm_safetensor *stored,
    const struct fm_safetensor *scales, struct fm_hub_form *form) {
    const bool eight = !strcmp(stored->dtype, "F8_E4M3");
    enum fm_scale_type scale_type;
    if (!scales)
        return fm_fail(hub->err, FATHOM_INVALID, "%s: tensor %s is %s, but no tensor holds its scales",
            hub->dir, stored->name, stored->dtype);
    if (stored->n_dims != 2 || stored->size == 0 || stored->dims[0] > INT32_MAX ||
        stored->dims[1] > INT32_MAX)
        return fm_fail(hub->err, FATHOM_INVALID, "%s: tensor %s is %s, but not a matrix", hub->dir,
            stored->name, stored->dtype);
    if (!find_scale_type(scales->dtype, eight, &scale_type))
        return fm_fail(hub->err, FATHOM_UNSUPPORTED,
            "%s: tensor %s holds the scales of %s as %s; supported: %s", hub->dir, scales->name, stored->name,
            scales->dtype, eight ? "F32, F16, BF16, F8_E8M0" : "F8_E8M0");
    const uint64_t packed = eight || !strcmp(stored->dtype, "F4") ? 1 : 2, n_cols = packed * stored->dims[1];
    *form = (struct fm_hub_form){
        .kind = eight ? FM_SOURCE_F8 : FM_SOURCE_F4,
        .type = eight ? FATHOM_F8_E4M3 : FATHOM_MXFP4,
        .n_rows = stored->dims[0],
        .n_cols = n_cols,
        .scales = scales->data,
        .scale_type = scale_type,
        .scale_cols = (uint32_t)(n_cols / FM_SCALED_F4),
        .rows_per_scale = 1,
        .cols_per_scale = FM_SCALED_F4,
    };
    if (eight) return place_scales(hub, stored, scales, form);
    if (scales->n_dims != 2 || scales->dims[0] != form->n_rows || scales->dims[1] != n_cols / FM_SCALED_F4)
        return fm_fail(hub->err, FATHOM_INVALID,
            "%s: tensor %s holds the scales of %s, expected [%llu, %llu] of them", hub->dir, scales->name,
            stored->name, (unsigned long long)form->n_rows, (unsigned long long)(n_cols / FM_SCALED_F4));
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
