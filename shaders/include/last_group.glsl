// The last workgroup to finish goes on with what needs the work of all, which saves a dispatch and the wait before it. Before:
// `#define COUNTER(i)`, a word of a coherent buffer, zero at first and afterwards; what the others have written must be in coherent buffers too.
shared bool last_group;

// At the end of a workgroup, all invocations: is it the last of n?
bool is_last_group(uint counter, uint n) {
    memoryBarrierBuffer();
    barrier();
    if (gl_LocalInvocationID.x == 0u) {
        last_group = atomicAdd(COUNTER(counter), 1u) + 1u == n;
        if (last_group) COUNTER(counter) = 0u;
    }
    barrier();
    if (last_group) memoryBarrierBuffer();
    return last_group;
}
