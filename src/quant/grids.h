// The points of the formats IQ1, IQ2 and IQ3: eight or four small numbers that a few bits stand for.
#ifndef FM_QUANT_GRIDS_H
#define FM_QUANT_GRIDS_H
#include <stdint.h>

enum fm_grid { FM_GRID_IQ2_XXS, FM_GRID_IQ2_XS, FM_GRID_IQ2_S, FM_GRID_IQ3_XXS, FM_GRID_IQ3_S, FM_GRID_IQ1, FM_N_GRIDS };
enum { FM_MAX_POINTS = 2048, FM_GRID_POINTS = 256 + 512 + 1024 + 256 + 512 + 2048 };

uint32_t fm_grid_size(enum fm_grid grid);
// Writes the grid's points, each an index of a level for every element, the first one lowest: IQ1 and IQ2 eight of 2 bits, IQ3 four of 3.
void fm_grid_expand(enum fm_grid grid, uint16_t *points);
// All of them in order, as shaders/quant/grids.glsl reads them.
void fm_grids_expand(uint16_t points[FM_GRID_POINTS]);
#endif
