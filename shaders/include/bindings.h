// Buffers that the gpu layer itself binds, for C and GLSL. An operator's views have lower binding numbers.
#ifndef BINDINGS_H
#define BINDINGS_H
#define FM_GRIDS_BINDING 12 // quant/grids.glsl
#define FM_TILES_BINDING 13 // include/tiles.glsl
#endif
