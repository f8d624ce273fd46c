// The words of a buffer, read by address. Enable GL_EXT_buffer_reference2, GL_EXT_buffer_reference_uvec2.
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Words { uint word[]; };

// The words from byte offset `at` on, a multiple of 4. address: low half first.
// The reads have no bounds check. Bound `at` in every round of a loop, because
// lavapipe loads even for a round in which no lane takes part any more.
Words words_at(uvec2 address, uint at) {
    uint carry;
    const uint low = uaddCarry(address.x, at, carry);
    return Words(uvec2(low, address.y + carry));
}
