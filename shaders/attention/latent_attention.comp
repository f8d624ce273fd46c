#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/latent_attention.h"
#include "attention/latent_heads.glsl"
#include "attention/attention.glsl"
