#version 460
#extension GL_GOOGLE_include_directive : require
#include "attention/grouped_attention.h"
#include "attention/grouped_heads.glsl"
#include "attention/attention_heads.glsl"
