// The last workgroup to finish continues with work that needs the results of all.
// This saves a dispatch and the wait before the dispatch. Define before the include:
// `#define COUNTER(i)`, a word of a coherent buffer, which is zero before and after
// a dispatch. The results of the other workgroups must be in coherent buffers, too.
shared bool last_group;

// Call at the end of a workgroup, with all invocations: is the workgroup the last of n?
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
