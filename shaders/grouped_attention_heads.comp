#version 460
#extension GL_GOOGLE_include_directive : require
#include "grouped_attention.h"
#include "grouped_heads.glsl"
#include "attention_heads.glsl"
