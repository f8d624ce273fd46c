// Logs the statistics of the driver's compiler for a pipeline: registers, spills, instructions, or others.
#include "gpu/internal.h"
#include <stdio.h>

enum { MAX_EXECUTABLES = 4, MAX_STATISTICS = 64 };

static void append(
    char *text, size_t size, size_t *n, const char *name, const VkPipelineExecutableStatisticKHR *s) {
    const char *separator = *n ? ", " : "";
    int more = 0;
    switch (s->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
        more = snprintf(text + *n, size - *n, "%s%s %u", separator, name, s->value.b32);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
        more = snprintf(text + *n, size - *n, "%s%s %lld", separator, name, (long long)s->value.i64);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
        more = snprintf(text + *n, size - *n, "%s%s %llu", separator, name, (unsigned long long)s->value.u64);
        break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR:
        more = snprintf(text + *n, size - *n, "%s%s %g", separator, name, s->value.f64);
        break;
    default: break;
    }
    if (more > 0 && *n + (size_t)more < size)
        *n += (size_t)more;
    else
        text[*n] = 0; // drops the statistics that do not fit
}

void fm_pipeline_log_statistics(struct fathom_gpu *gpu, const struct fm_pipeline *p) {
    const VkPipelineInfoKHR pipeline = {.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = p->handle};
    VkPipelineExecutablePropertiesKHR executables[MAX_EXECUTABLES];
    for (uint32_t i = 0; i < MAX_EXECUTABLES; i++)
        executables[i] = (VkPipelineExecutablePropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR,
        };
    uint32_t n_executables = MAX_EXECUTABLES;
    if (gpu->vk.vkGetPipelineExecutablePropertiesKHR(gpu->device, &pipeline, &n_executables, executables) < 0)
        return;
    for (uint32_t i = 0; i < n_executables; i++) {
        const VkPipelineExecutableInfoKHR executable = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
            .pipeline = p->handle,
            .executableIndex = i,
        };
        VkPipelineExecutableStatisticKHR list[MAX_STATISTICS];
        for (uint32_t j = 0; j < MAX_STATISTICS; j++)
            list[j] = (VkPipelineExecutableStatisticKHR){
                .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR,
            };
        uint32_t n = MAX_STATISTICS;
        if (gpu->vk.vkGetPipelineExecutableStatisticsKHR(gpu->device, &executable, &n, list) < 0) continue;
        char text[2048] = "";
        size_t length = 0;
        for (uint32_t j = 0; j < n; j++) append(text, sizeof(text), &length, list[j].name, &list[j]);
        fm_log(&gpu->params.log, FATHOM_LOG_DEBUG, "statistics of %s, %s, subgroups of %u: %s",
            p->layout->shader->name, executables[i].name, executables[i].subgroupSize, text);
    }
}
