// Dots in the fixed order of exact mode: each of 32 lanes adds up its quads into dots[i], then dots_sum(i) adds the lanes by a tree.
// Before: N_DOTS, the number of dots in flight.
#ifndef EXPERT_DOTS_GLSL
#define EXPERT_DOTS_GLSL
#define DOT_LANES 32
shared float dots[N_DOTS][DOT_LANES + 1]; // one more, so that the lanes of a tree's readers fall into different banks

float dots_sum(uint i) {
    precise float sum[DOT_LANES / 2];
    for (uint l = 0u; l < DOT_LANES / 2; l++) sum[l] = dots[i][l] + dots[i][l + DOT_LANES / 2];
    for (uint h = DOT_LANES / 4; h > 0u; h /= 2u)
        for (uint l = 0u; l < h; l++) sum[l] = sum[l] + sum[l + h];
    return sum[0];
}
#endif
