#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "experts/expert_place.h"
// Decides which experts go to which slots: one workgroup, integers only. Sets of experts are bits, so that an
// expert's number in a set is a count of bits and nothing is sorted.
layout(local_size_x = 256) in;
layout(binding = 0) readonly buffer Ids { uint ids[]; };           // [n_tokens][top_k]
layout(binding = 1) buffer State { uint state[]; };                // see include/fathom/ops.h
layout(binding = 2) writeonly buffer Places { uint places[]; };    // [n_tokens][top_k]
layout(binding = 3) writeonly buffer Fetches { uint fetches[]; };  // [n_rounds][1 + 2 * n_slots]
#define MAX_EXPERTS 512u
#define CLOCK 0u
#define NEEDED 1u
#define FETCHED 2u
#define STATE 4u
shared uint needed[MAX_EXPERTS / 32u], needed_below[MAX_EXPERTS / 32u];   // experts of the batch
shared uint missing[MAX_EXPERTS / 32u], missing_below[MAX_EXPERTS / 32u]; // experts of the round
#define KEY_WORDS (3u * MAX_EXPERTS / 32u)
shared uint free[KEY_WORDS], free_below[KEY_WORDS];                       // keys of slots
shared uint n_fetched;
shared uvec4 last_use[MAX_EXPERTS / 4u];
shared uint depth[MAX_EXPERTS]; // how many experts were used after the expert
shared uint slot_of[MAX_EXPERTS], expert_in[MAX_EXPERTS]; // both + 1
shared uint key[MAX_EXPERTS];     // of a slot: slots of lower keys are taken first
shared uint taken[MAX_EXPERTS];   // slots in the order of their keys
shared uint place[MAX_EXPERTS];

uint last_use_of(uint e) {
    return last_use[e / 4u][e % 4u];
}

uint count(bool b) {
    return b ? 1u : 0u;
}

// The number of bits below bit i, of those that `words` and their sums `below` count
#define RANK(words, below, i) (below[(i) / 32u] + bitCount(words[(i) / 32u] & ((1u << ((i) % 32u)) - 1u)))
#define HAS(words, i) ((words[(i) / 32u] >> ((i) % 32u) & 1u) != 0u)
#define ADD(words, i) atomicOr(words[(i) / 32u], 1u << ((i) % 32u))

uint round_of(uint e) {
    return RANK(needed, needed_below, e) / args.n_slots;
}

// How many other experts were used later than e. Of the experts of one call, those of lower numbers count as
// later.
uint depth_of(uint e) {
    const uint mine = last_use_of(e);
    uint n = 0u;
    for (uint i = 0u; i < args.n_experts; i += 4u) {
        const uvec4 other = last_use[i / 4u]; // experts that do not exist have 0
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            n += count(other[j] > mine || (other[j] == mine && i + j < e));
    }
    return n;
}

// The key of slot s in a round: empty slots first, then slots of experts that the batch does not need, then
// those of its other rounds. Keys differ. The slots of the round itself have none.
#define NO_KEY 0xffffffffu
uint key_of(uint s, uint round) {
    if (expert_in[s] == 0u) return s;
    const uint e = expert_in[s] - 1u;
    if (!HAS(needed, e)) return 2u * MAX_EXPERTS - 1u - depth[e];
    return round_of(e) == round ? NO_KEY : 3u * MAX_EXPERTS - 1u - e;
}

void load(uint lane) {
    const uint table_at = args.state_base + STATE, last_use_at = table_at + args.n_experts,
               slots_at = last_use_at + args.n_experts;
    if (lane < MAX_EXPERTS / 32u) needed[lane] = 0u;
    if (lane == 0u) n_fetched = 0u;
    for (uint e = lane; e < MAX_EXPERTS; e += gl_WorkGroupSize.x) {
        last_use[e / 4u][e % 4u] = e < args.n_experts ? state[last_use_at + e] : 0u;
        slot_of[e] = 0u;
        place[e] = 0u;
    }
    barrier();
    // what the slots hold is known from the slots alone
    for (uint s = lane; s < args.n_slots; s += gl_WorkGroupSize.x) {
        const uint e = state[slots_at + s];
        expert_in[s] = e <= args.n_experts ? e : 0u;
        if (expert_in[s] != 0u) slot_of[expert_in[s] - 1u] = s + 1u;
    }
    for (uint i = lane; i < args.n_choices; i += gl_WorkGroupSize.x) {
        const uint e = ids[args.ids_base + i];
        if (e < args.n_experts && !HAS(needed, e)) ADD(needed, e);
    }
    barrier();
}

// Sums of the bits of n words, n a multiple of 4
#define SUM_BELOW(words, below, n) \
    if (lane < (n)) { \
        uint sum = 0u; \
        for (uint i = 0u; i < lane; i += 4u) \
            [[unroll]] for (uint j = 0u; j < 4u; j++) sum += i + j < lane ? bitCount(words[i + j]) : 0u; \
        below[lane] = sum; \
    }
#define TOTAL(words, below, n) (below[(n) - 1u] + bitCount(words[(n) - 1u]))

// Gives slots to the missing experts of the round, and lists them
void place_round(uint lane, uint round) {
    const uint at = args.fetches_base + round * (1u + 2u * args.n_slots);
    if (lane < MAX_EXPERTS / 32u) missing[lane] = 0u;
    if (lane < KEY_WORDS) free[lane] = 0u;
    barrier();
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x)
        if (HAS(needed, e) && round_of(e) == round && slot_of[e] == 0u) ADD(missing, e);
    barrier();
    SUM_BELOW(missing, missing_below, MAX_EXPERTS / 32u)
    for (uint s = lane; s < args.n_slots; s += gl_WorkGroupSize.x) {
        key[s] = key_of(s, round);
        if (key[s] != NO_KEY) ADD(free, key[s]);
    }
    barrier();
    SUM_BELOW(free, free_below, KEY_WORDS)
    barrier();
    for (uint s = lane; s < args.n_slots; s += gl_WorkGroupSize.x)
        if (key[s] != NO_KEY) taken[RANK(free, free_below, key[s])] = s;
    barrier();
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        if (!HAS(missing, e)) continue;
        const uint i = RANK(missing, missing_below, e), s = taken[i];
        if (expert_in[s] != 0u) slot_of[expert_in[s] - 1u] = 0u;
        expert_in[s] = e + 1u;
        slot_of[e] = s + 1u;
        fetches[at + 1u + i] = e;
        fetches[at + 1u + args.n_slots + i] = s;
    }
    barrier();
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x)
        if (HAS(needed, e) && round_of(e) == round) place[e] = round * args.n_slots + slot_of[e] - 1u;
    if (lane == 0u) {
        const uint n = TOTAL(missing, missing_below, MAX_EXPERTS / 32u);
        fetches[at] = n;
        n_fetched += n;
    }
    barrier();
}

void main() {
    const uint lane = gl_LocalInvocationID.x;
    const uint table_at = args.state_base + STATE, last_use_at = table_at + args.n_experts,
               slots_at = last_use_at + args.n_experts, depths_at = slots_at + args.n_slots;
    load(lane);
    SUM_BELOW(needed, needed_below, MAX_EXPERTS / 32u)
    // of needed experts for the histogram, of the others for the choice of slots
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        const bool is_needed = HAS(needed, e);
        if (!is_needed && slot_of[e] == 0u) continue;
        depth[e] = depth_of(e);
        if (is_needed && args.history != 0u)
            atomicAdd(state[depths_at + (last_use_of(e) != 0u ? depth[e] : args.n_experts)], 1u);
    }
    barrier();
    const uint n = TOTAL(needed, needed_below, MAX_EXPERTS / 32u);
    for (uint round = 0u; round * args.n_slots < n; round++) place_round(lane, round);
    for (uint round = lane; round < args.n_rounds; round += gl_WorkGroupSize.x)
        if (round * args.n_slots >= n) fetches[args.fetches_base + round * (1u + 2u * args.n_slots)] = 0u;
    for (uint i = lane; i < args.n_choices; i += gl_WorkGroupSize.x) {
        const uint e = ids[args.ids_base + i];
        places[args.places_base + i] = e < args.n_experts ? place[e] : 0u;
    }
    const uint clock = state[args.state_base + CLOCK] + 1u;
    for (uint e = lane; e < args.n_experts; e += gl_WorkGroupSize.x) {
        state[table_at + e] = slot_of[e];
        if (HAS(needed, e)) state[last_use_at + e] = clock;
    }
    for (uint s = lane; s < args.n_slots; s += gl_WorkGroupSize.x) state[slots_at + s] = expert_in[s];
    barrier(); // all have read the clock
    if (lane == 0u) {
        state[args.state_base + CLOCK] = clock;
        state[args.state_base + NEEDED] += n;
        state[args.state_base + FETCHED] += n_fetched;
    }
}
