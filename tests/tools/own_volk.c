// A program that loads Vulkan by the real volk, whose variables have Vulkan's names, and links libfathom.a.
// While the library writes an answer, the program submits on a device of its own: both go on.
#include <fathom/fathom.h>
#include <stdio.h>
#include <volk.h>

enum { N_WORDS = 1024, MAX_TOKENS = 12 };

struct own {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkCommandPool pool;
    VkCommandBuffer commands;
    const uint32_t *words;
    uint32_t n_submits, n_failed;
};

static int failed(const char *what) {
    fprintf(stderr, "own_volk: %s\n", what);
    return 1;
}

static bool make_device(struct own *own) {
    const VkApplicationInfo app = {VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_1};
    const VkInstanceCreateInfo instance = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
    const float priority = 1;
    // every device's first family of queues can fill buffers
    const VkDeviceQueueCreateInfo queue = {
        VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
    const VkDeviceCreateInfo device = {
        VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue};
    uint32_t n = 1;
    if (vkCreateInstance(&instance, NULL, &own->instance) != VK_SUCCESS) return false;
    volkLoadInstance(own->instance);
    if (vkEnumeratePhysicalDevices(own->instance, &n, &own->physical) < 0 || n == 0) return false;
    if (vkCreateDevice(own->physical, &device, NULL, &own->device) != VK_SUCCESS) return false;
    volkLoadDevice(own->device);
    vkGetDeviceQueue(own->device, 0, 0, &own->queue);
    return true;
}

static bool make_buffer(struct own *own) {
    const VkBufferCreateInfo info = {
        VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = 4 * N_WORDS, .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    if (vkCreateBuffer(own->device, &info, NULL, &own->buffer) != VK_SUCCESS) return false;
    VkMemoryRequirements needs;
    VkPhysicalDeviceMemoryProperties types;
    vkGetBufferMemoryRequirements(own->device, own->buffer, &needs);
    vkGetPhysicalDeviceMemoryProperties(own->physical, &types);
    const VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t type = 0;
    while (!(needs.memoryTypeBits >> type & 1) || (types.memoryTypes[type].propertyFlags & wanted) != wanted)
        if (++type == types.memoryTypeCount) return false;
    const VkMemoryAllocateInfo allocate = {
        VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = needs.size, .memoryTypeIndex = type};
    const VkCommandPoolCreateInfo pool = {
        VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT};
    if (vkAllocateMemory(own->device, &allocate, NULL, &own->memory) != VK_SUCCESS ||
        vkBindBufferMemory(own->device, own->buffer, own->memory, 0) != VK_SUCCESS ||
        vkMapMemory(own->device, own->memory, 0, VK_WHOLE_SIZE, 0, (void **)&own->words) != VK_SUCCESS ||
        vkCreateCommandPool(own->device, &pool, NULL, &own->pool) != VK_SUCCESS)
        return false;
    const VkCommandBufferAllocateInfo commands = {
        VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = own->pool, .commandBufferCount = 1};
    return vkAllocateCommandBuffers(own->device, &commands, &own->commands) == VK_SUCCESS;
}

// Fills the buffer with the submit's number, and looks.
static void fill(struct own *own) {
    const VkCommandBufferBeginInfo begin = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    const VkSubmitInfo submit = {
        VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &own->commands};
    const uint32_t number = ++own->n_submits;
    bool ok = vkBeginCommandBuffer(own->commands, &begin) == VK_SUCCESS;
    vkCmdFillBuffer(own->commands, own->buffer, 0, VK_WHOLE_SIZE, number);
    ok = ok && vkEndCommandBuffer(own->commands) == VK_SUCCESS &&
        vkQueueSubmit(own->queue, 1, &submit, VK_NULL_HANDLE) == VK_SUCCESS &&
        vkQueueWaitIdle(own->queue) == VK_SUCCESS;
    for (int i = 0; i < N_WORDS; i++) ok = ok && own->words[i] == number;
    if (!ok) own->n_failed++;
}

static bool on_token(void *user, int32_t id) {
    (void)id;
    fill(user);
    return true;
}

// The library gets a device of its own, and the program submits at every token.
static bool generate(struct own *own, struct fathom_error *err) {
    static const int32_t prompt[] = {1, 20, 300, 7, 45, 9};
    const struct fathom_sampling greedy = {.size = sizeof(greedy)};
    const struct fathom_generate_params params = {.size = sizeof(params),
        .sampling = &greedy,
        .max_tokens = MAX_TOKENS,
        .on_token = on_token,
        .user = own};
    struct fathom_engine *engine =
        fathom_engine_create(&FATHOM_INIT(fathom_engine_params, .model = MODEL, .n_context = 64), err);
    struct fathom_session *session = engine ? fathom_session_create(engine, NULL, err) : NULL;
    uint32_t n = 0;
    const bool ok = session &&
        fathom_session_append(session, prompt, sizeof(prompt) / sizeof(*prompt), NULL, err) &&
        fathom_session_generate(session, &params, &n, err);
    fathom_session_destroy(&session);
    fathom_engine_destroy(&engine);
    if (ok) printf("own_volk: %u tokens, %u submits of the program\n", n, own->n_submits);
    return ok;
}

int main(void) {
    struct own own = {0};
    struct fathom_error err = {0};
    if (volkInitialize() != VK_SUCCESS) return failed("no loader");
    if (!make_device(&own) || !make_buffer(&own)) return failed("no device");
    fill(&own);
    if (!generate(&own, &err)) return failed(err.message);
    fill(&own);
    if (own.n_failed || own.n_submits < 3) return failed("the program's own submits failed");
    vkDestroyCommandPool(own.device, own.pool, NULL);
    vkDestroyBuffer(own.device, own.buffer, NULL);
    vkFreeMemory(own.device, own.memory, NULL);
    vkDestroyDevice(own.device, NULL);
    vkDestroyInstance(own.instance, NULL);
    return 0;
}
