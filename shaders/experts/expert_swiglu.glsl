// silu(gate) * up. args.limit bounds a gate from above, and up on both sides.
float swiglu(float gate, float up) {
    gate = min(gate, args.limit);
    return gate / (1.0 + exp(-gate)) * clamp(up, -args.limit, args.limit);
}

vec4 swiglu(vec4 gate, vec4 up) {
    gate = min(gate, vec4(args.limit));
    return gate / (1.0 + exp(-gate)) * clamp(up, vec4(-args.limit), vec4(args.limit));
}
