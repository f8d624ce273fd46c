#version 460
#extension GL_GOOGLE_include_directive : require
// Chooses a token from the logits and advances the step; every search walks the whole vocabulary.
#include "small/sample.glsl"
