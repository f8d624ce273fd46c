// An operator's argument block (push constants), for C and for GLSL: 32-bit members only, at most 128 bytes.
//   ARGS(rms_norm) { uint n_cols; float eps; } ARGS_END
// is `struct rms_norm_args` in C, and `args.n_cols` in GLSL.
#ifdef GL_core_profile
#define ARGS(op) layout(push_constant) uniform op##_args
#define ARGS_END args;
#else
#include <stdint.h>
#define ARGS(op) struct op##_args
#define ARGS_END ;
typedef uint32_t uint;
#endif
