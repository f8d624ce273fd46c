#version 460
#extension GL_GOOGLE_include_directive : require
// sample.comp whose searches go over a list in shared memory of the tokens that can have a weight, if the
// list holds all of these tokens. The token is the same.
#define LIST
#include "small/sample.glsl"
