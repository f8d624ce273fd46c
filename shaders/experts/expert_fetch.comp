#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define UNIT uint
#define UNIT_WORDS 1u
#include "experts/expert_fetch.glsl"
