// cache4_fast() in float16. Include this file after cache_read.glsl. Enable
// GL_EXT_shader_explicit_arithmetic_types_float16.
f16vec4 cache4_half(uint row, uint k) {
    if (CACHE == TYPE_F16)
        return f16vec4(unpackFloat2x16(pages[row + k / 2u]), unpackFloat2x16(pages[row + k / 2u + 1u]));
    return f16vec4(cache4(row, k));
}
