// Buffers that the gpu binds by itself, for C and GLSL; an operator's views have the bindings before these.
#ifndef BINDINGS_H
#define BINDINGS_H
#define FM_GRIDS_BINDING 12 // quant/grids.glsl
#define FM_TILES_BINDING 13 // include/tiles.glsl
#endif
