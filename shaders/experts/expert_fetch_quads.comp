#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// Copies four words at a time: matrices and homes are multiples of four words.
#define UNIT uvec4
#define UNIT_WORDS 4u
#include "experts/expert_fetch.glsl"
