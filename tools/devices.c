// fathom devices: lists the Vulkan devices, and the variants that Fathom would use on each.
#include "common.h"
#include <inttypes.h>
#include <stdio.h>

static const struct {
    uint32_t cap;
    const char *name;
} cap_names[] = {
    {FATHOM_CAP_SUBGROUP_ARITHMETIC, "subgroup-arithmetic"},
    {FATHOM_CAP_SUBGROUP_SIZE_CONTROL, "subgroup-size-control"},
    {FATHOM_CAP_STORAGE_16BIT, "storage-16bit"},
    {FATHOM_CAP_STORAGE_8BIT, "storage-8bit"},
    {FATHOM_CAP_FLOAT16, "float16"},
    {FATHOM_CAP_INT8, "int8"},
    {FATHOM_CAP_INT16, "int16"},
    {FATHOM_CAP_INT64, "int64"},
    {FATHOM_CAP_INTEGER_DOT, "integer-dot"},
    {FATHOM_CAP_COOPERATIVE_MATRIX, "cooperative-matrix"},
    {FATHOM_CAP_MEMORY_BUDGET, "memory-budget"},
    {FATHOM_CAP_HOST_IMPORT, "host-import"},
    {FATHOM_CAP_STATISTICS, "statistics"},
    {FATHOM_CAP_READ_AHEAD, "read-ahead"},
    {FATHOM_CAP_DEVICE_ADDRESS, "device-address"},
    {FATHOM_CAP_UNIFORM_LOADS, "uniform-loads"},
};

static cJSON *device_json(const struct fathom_gpu_info *d) {
    cJSON *json = cJSON_CreateObject(), *caps = cJSON_CreateArray(), *variants = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "index", d->index);
    cJSON_AddStringToObject(json, "name", d->name);
    cJSON_AddStringToObject(json, "driver", d->driver);
    cJSON_AddStringToObject(json, "type", device_type_name(d->type));
    cJSON_AddNumberToObject(json, "vendor_id", d->vendor_id);
    cJSON_AddNumberToObject(json, "device_id", d->device_id);
    cJSON_AddNumberToObject(json, "memory_total", (double)d->memory_total);
    cJSON_AddNumberToObject(json, "memory_free", (double)d->memory_free);
    cJSON_AddBoolToObject(json, "unified_memory", d->unified_memory);
    cJSON_AddNumberToObject(json, "max_storage_range", (double)d->max_storage_range);
    cJSON_AddNumberToObject(json, "max_allocation", (double)d->max_allocation);
    cJSON_AddNumberToObject(json, "storage_alignment", d->storage_alignment);
    cJSON_AddNumberToObject(json, "max_shared_memory", d->max_shared_memory);
    cJSON_AddNumberToObject(json, "max_invocations", d->max_invocations);
    cJSON_AddNumberToObject(json, "subgroup_size", d->subgroup_size);
    cJSON_AddItemToObject(json, "capabilities", caps);
    for (size_t i = 0; i < sizeof(cap_names) / sizeof(*cap_names); i++)
        if (d->caps & cap_names[i].cap) cJSON_AddItemToArray(caps, cJSON_CreateString(cap_names[i].name));
    cJSON_AddBoolToObject(json, "usable", !d->unusable[0]);
    if (d->unusable[0]) cJSON_AddStringToObject(json, "unusable", d->unusable);
    cJSON_AddItemToObject(json, "variants", variants);
    for (size_t i = 0; fathom_op_name(i) && !d->unusable[0]; i++) {
        cJSON *op = cJSON_AddObjectToObject(variants, fathom_op_name(i));
        cJSON_AddStringToObject(op, "decode", fathom_op_default_variant(i, d, 1));
        cJSON_AddStringToObject(op, "prefill", fathom_op_default_variant(i, d, 512));
    }
    return json;
}

static void print_device(const struct fathom_gpu_info *d) {
    const double gib = 1024.0 * 1024.0 * 1024.0;
    printf("%u: %s (%s)\n   driver    %s, Vulkan %u.%u\n", d->index, d->name, device_type_name(d->type),
        d->driver, d->api_version >> 22, d->api_version >> 12 & 1023);
    if (d->unusable[0]) {
        printf("   unusable  %s\n", d->unusable);
        return;
    }
    printf("   memory    %.2f GiB, %.2f free%s; one binding %.2f GiB, one allocation %.2f\n",
        (double)d->memory_total / gib, (double)d->memory_free / gib,
        d->unified_memory ? ", shared with the host" : "", (double)d->max_storage_range / gib,
        (double)d->max_allocation / gib);
    printf(
        "   compute   subgroups of %u, %u invocations and %u KiB of shared memory a workgroup\n   can      ",
        d->subgroup_size, d->max_invocations, d->max_shared_memory / 1024);
    for (size_t i = 0; i < sizeof(cap_names) / sizeof(*cap_names); i++)
        if (d->caps & cap_names[i].cap) printf(" %s", cap_names[i].name);
    printf("\n   variants ");
    for (size_t i = 0; fathom_op_name(i); i++) {
        const char *one = fathom_op_default_variant(i, d, 1), *many = fathom_op_default_variant(i, d, 512);
        printf(" %s=%s", fathom_op_name(i), one);
        if (one != many) printf("/%s", many);
    }
    printf("\n");
}

int devices_main(int argc, char **argv) {
    bool json = false;
    const struct option options[] = {
        {"--json", OPTION_FLAG, &json, NULL, "an array of objects, one a device", NULL}};
    const struct usage usage = {"devices", "[--json]",
        "Lists every Vulkan device: capabilities, variants for one token/a long prompt, why it is unusable.",
        options, 1, 0, 0};
    size_t n_positional;
    const int code = options_parse(&usage, argc, argv, NULL, &n_positional);
    if (code != EXIT_NOT_YET) return code;
    struct fathom_error err = {0};
    struct fathom_gpu_list *list = fathom_gpu_list_create(&err);
    if (!list) return refuse(&err);
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < fathom_gpu_list_count(list); i++) {
        const struct fathom_gpu_info *device = fathom_gpu_list_get(list, i);
        if (json)
            cJSON_AddItemToArray(array, device_json(device));
        else
            print_device(device);
    }
    fathom_gpu_list_destroy(&list);
    if (!json) return cJSON_Delete(array), EXIT_DONE;
    return print_json(array);
}
