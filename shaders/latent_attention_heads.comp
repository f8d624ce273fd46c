#version 460
#extension GL_GOOGLE_include_directive : require
#include "latent_attention.h"
#include "latent_heads.glsl"
#include "attention_heads.glsl"
