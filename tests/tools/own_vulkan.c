// A program that uses Vulkan itself, by its own global pointers of Vulkan's names as volk has them, and links
// the library. Both must keep their own functions.
#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <fathom/gpu.h>
#include <stdio.h>
#include <string.h>
#include <vulkan/vulkan.h>

// names that volk, or the library inside, has too
#define FUNCTIONS(X) \
    X(vkCreateInstance) \
    X(vkDestroyInstance) \
    X(vkEnumerateInstanceVersion) \
    X(vkEnumerateInstanceLayerProperties) \
    X(vkEnumerateInstanceExtensionProperties) \
    X(vkEnumeratePhysicalDevices) \
    X(vkEnumerateDeviceExtensionProperties) \
    X(vkGetPhysicalDeviceProperties) \
    X(vkGetPhysicalDeviceProperties2) \
    X(vkGetPhysicalDeviceFeatures2) \
    X(vkGetPhysicalDeviceMemoryProperties) \
    X(vkGetPhysicalDeviceMemoryProperties2) \
    X(vkGetPhysicalDeviceQueueFamilyProperties) \
    X(vkCreateDevice) \
    X(vkGetDeviceProcAddr) \
    X(vkDestroyDevice) \
    X(vkQueueSubmit) \
    X(vkAllocateMemory)
#define DEFINE(name) PFN_##name name;
FUNCTIONS(DEFINE)
PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;

static int n_own;
int volkInitialize(void) {
    return ++n_own;
}
void volkLoadInstance(void) {
    n_own++;
}
void fm_fail(void) {
    n_own++;
}

static void load(VkInstance instance) {
#define LOAD(name) \
    if (!name) name = (PFN_##name)vkGetInstanceProcAddr(instance, #name);
    FUNCTIONS(LOAD)
}

// The pointers, to see whether somebody else wrote them
static void copy_pointers(void (*out[32])(void)) {
    int n = 0;
#define COPY(name) memcpy(&out[n++], &name, sizeof(out[0]));
    memset(out, 0, 32 * sizeof(out[0]));
    FUNCTIONS(COPY)
    COPY(vkGetInstanceProcAddr)
}

static int failed(const char *what) {
    fprintf(stderr, "own_vulkan: %s\n", what);
    return 1;
}

int main(void) {
    void *loader = dlopen("libvulkan.so.1", RTLD_NOW);
    if (!loader) return failed("no loader");
    *(void **)&vkGetInstanceProcAddr = dlsym(loader, "vkGetInstanceProcAddr");
    load(NULL);
    VkInstance instance = NULL;
    const VkApplicationInfo app = {VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_1};
    const VkInstanceCreateInfo info = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
    if (vkCreateInstance(&info, NULL, &instance) != VK_SUCCESS) return failed("no instance");
    load(instance);

    void (*before[32])(void), (*after[32])(void);
    uint32_t n_before = 0, n_during = 0, n_after = 0;
    if (vkEnumeratePhysicalDevices(instance, &n_before, NULL) != VK_SUCCESS) return failed("no devices");
    copy_pointers(before);
    struct fathom_error err = {0};
    struct fathom_gpu *gpu = fathom_gpu_create(NULL, &err);
    if (!gpu) return failed(err.message);
    if (vkEnumeratePhysicalDevices(instance, &n_during, NULL) != VK_SUCCESS || n_during != n_before)
        return failed("the library changed the program's instance");
    printf("%s on %s\n", fathom_version(), fathom_gpu_get_info(gpu)->name);
    fathom_gpu_destroy(&gpu);
    copy_pointers(after);
    if (memcmp(before, after, sizeof(before)) != 0) return failed("the library wrote the program's pointers");
    if (vkEnumeratePhysicalDevices(instance, &n_after, NULL) != VK_SUCCESS || n_after != n_before)
        return failed("the library broke the program's instance");
    vkDestroyInstance(instance, NULL);
    if (n_own) return failed("the library called a function of the program");
    return 0;
}
