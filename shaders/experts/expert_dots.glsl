// Dot products in the fixed order of exact mode. Each of 32 lanes adds its quads into dots[i]; dots_sum(i)
// then adds the lanes as a tree. Define before the include: N_DOTS, the number of dot products in flight.
#ifndef EXPERT_DOTS_GLSL
#define EXPERT_DOTS_GLSL
#define DOT_LANES 32
// One more than DOT_LANES, so that the lanes that read a tree use different banks
shared float dots[N_DOTS][DOT_LANES + 1];

float dots_sum(uint i) {
    precise float sum[DOT_LANES / 2];
    for (uint l = 0u; l < DOT_LANES / 2; l++) sum[l] = dots[i][l] + dots[i][l + DOT_LANES / 2];
    for (uint h = DOT_LANES / 4; h > 0u; h /= 2u)
        for (uint l = 0u; l < h; l++) sum[l] = sum[l] + sum[l + h];
    return sum[0];
}
#endif
