#version 460
#extension GL_GOOGLE_include_directive : require
// Chooses a token from the logits and advances the step. Every search goes over the whole vocabulary.
#include "small/sample.glsl"
