// Compiles volk, which comes as a header and a source file without a library.
#define VK_NO_PROTOTYPES
#define VOLK_IMPLEMENTATION
#include <volk.h>
