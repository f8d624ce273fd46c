// Runs this program again under the Khronos validation layer, which prints to the child's output.
#ifndef TEST_GPU_LAYER_H
#define TEST_GPU_LAYER_H
#include "base/library.h"
#include "gpu/support.h"

static inline bool has_layer(void) {
    VkLayerProperties layers[64];
    uint32_t n = 64;
    PFN_vkGetInstanceProcAddr get;
    void *loader = fm_loader_open(&get, NULL);
    if (!loader) return false;
    const PFN_vkEnumerateInstanceLayerProperties list =
        (PFN_vkEnumerateInstanceLayerProperties)get(NULL, "vkEnumerateInstanceLayerProperties");
    const bool listed = list(&n, layers) >= 0;
    bool found = false;
    for (uint32_t i = 0; listed && i < n; i++)
        found |= !strcmp(layers[i].layerName, "VK_LAYER_KHRONOS_validation");
    fm_library_close(loader);
    return found;
}

// The child must end with status 0 and print `done`. Skips the test where the layer is not installed.
static inline void run_under_layer(const char *argument, const char *done, char *output, size_t size) {
    if (!has_layer()) {
        print_message("skipped: VK_LAYER_KHRONOS_validation is not installed\n");
        skip();
    }
    const char *const environment[] = {"VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation",
        "VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT:VALIDATION_CHECK_"
        "ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT",
        "VK_LAYER_VALIDATE_SYNC=1", "VK_LAYER_SYNCVAL_SHADER_ACCESSES_HEURISTIC=1", NULL};
    const int status = run_child(argument, environment, output, size);
    if (status != 0 || !strstr(output, done)) fail_msg("status %d: %s", status, output);
}

static inline void expect_silence(const char *output) {
    // newer layers also print that they no longer know VK_LAYER_ENABLES
    if (strstr(output, "VUID") || strstr(output, "SYNC-HAZARD") || strstr(output, "Validation Error"))
        fail_msg("%s", output);
}
#endif
