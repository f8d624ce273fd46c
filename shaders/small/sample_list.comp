#version 460
#extension GL_GOOGLE_include_directive : require
// sample.comp whose searches walk a list in shared memory of the tokens that can have any weight, where it holds them all. The token is the same.
#define LIST
#include "small/sample.glsl"
