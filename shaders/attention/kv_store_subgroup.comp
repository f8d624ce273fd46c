#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "attention/kv_store.h"
// kv_store.comp with sums by subgroup operations.
layout(local_size_x_id = 5) in;
shared float partial[32]; // one a subgroup; 128 invocations, subgroups of at least 4

float sum_all(float v) {
    v = subgroupAdd(v);
    if (gl_NumSubgroups == 1u) return v;
    barrier();
    if (subgroupElect()) partial[gl_SubgroupID] = v;
    barrier();
    v = 0.0;
    for (uint i = 0u; i < gl_NumSubgroups; i++) v += partial[i];
    return v;
}
#include "attention/kv_store.glsl"
