// What devices.cmake says of a test's device, besides the driver, which the loader finds.
#ifndef TEST_DEVICE_H
#define TEST_DEVICE_H
#include <fathom/gpu.h>
#include <stdlib.h>

// The device called "card" is lavapipe with this variable set.
static inline bool device_is_card(void) {
    return getenv("FATHOM_TEST_CARD") != NULL;
}

static inline struct fathom_gpu_params device_params(struct fathom_gpu_params params) {
    params.discrete |= device_is_card();
    params.short_submits |= device_is_card();
    return params;
}
#endif
