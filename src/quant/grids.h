// The grids of the formats IQ1, IQ2 and IQ3. A point of a grid is eight or four small numbers, and a block
// stores only the point's index.
#ifndef FM_QUANT_GRIDS_H
#define FM_QUANT_GRIDS_H
#include <stdint.h>

enum fm_grid {
    FM_GRID_IQ2_XXS,
    FM_GRID_IQ2_XS,
    FM_GRID_IQ2_S,
    FM_GRID_IQ3_XXS,
    FM_GRID_IQ3_S,
    FM_GRID_IQ1,
    FM_N_GRIDS
};
enum { FM_MAX_POINTS = 2048, FM_GRID_POINTS = 256 + 512 + 1024 + 256 + 512 + 2048 };

uint32_t fm_grid_size(enum fm_grid grid);
// Writes the points of a grid. A point holds the index of a level for every element, the first element in the
// lowest bits: eight indices of 2 bits for IQ1 and IQ2, four of 3 bits for IQ3.
void fm_grid_expand(enum fm_grid grid, uint16_t *points);
// Writes the points of all grids in order, as shaders/quant/grids.glsl reads them.
void fm_grids_expand(uint16_t points[FM_GRID_POINTS]);
#endif
