// The common part of sample.comp and sample_list.comp. One workgroup of any size: every sum is over integers,
// so neither the size nor the order of the atomics matters, and the same logits and seed give the same token
// on every device. A token's weight is its probability in parts of 2^30. Top-k, top-p and the draw itself are
// one search: for the first key at which the running sum of weights (or of ones) passes a target. The search
// goes digit by digit, with histograms of 256 bins.
#include "small/sample.h"
#include "include/exact.glsl"
layout(local_size_x_id = 0) in;
layout(binding = 0) readonly buffer Logits { float logits[]; }; // [n_vocab]
layout(binding = 1) buffer Step { uint step_words[]; };         // struct fathom_step
layout(binding = 2) coherent buffer Seen { uint seen[]; };      // [n_vocab]
layout(binding = 3) writeonly buffer Ring { uint ring[]; };     // [n_ring]
// struct fathom_drafts; bound where there is more than one row
layout(binding = 4) buffer Drafts { uint drafts[]; };
const uint TOKEN = 0u, POSITION = 1u, N_SAMPLED = 2u, SEED_LOW = 3u, SEED_HIGH = 4u, TEMPERATURE = 5u,
    TOP_K = 6u, TOP_P = 7u, MIN_P = 8u,
           PENALTY = 9u;
const uint FIRST = 12u, LAST_ROW = 13u, IDS = 14u, NEXT = 22u; // in drafts, after its step
shared uint histogram[256], coarse[16]; // coarse: sums of 16 bins
shared uint total_low, total_high, best_key, best_id, largest, digit, before;

uint word(uint i) {
    return step_words[args.step_base + i];
}

// A workgroup's view of one step, the same in every invocation
// top: the highest score; unit: weight of probability e^0; inv_temperature is 1 while the best token is found
float penalty, inv_penalty, inv_temperature, top, unit;
float min_share;   // excludes tokens below this times the best token's probability
uint limit;        // excludes tokens with a greater key
uint n_candidates; // tokens that the searches go over
uint row;          // of the logits

#ifdef LIST
const uint CAPACITY = 4096u;
shared uint list[CAPACITY], n_list;
bool listed;

uint candidate(uint i) {
    return listed ? list[i] : i;
}
#else
uint candidate(uint i) {
    return i;
}
#endif

// Logit after penalty and temperature
float score(uint id) {
    precise float v = logits[args.logits_base + row * args.n_vocab + id];
    if (penalty != 1.0 && seen[args.seen_base + id] != 0u) v = v * (v > 0.0 ? inv_penalty : penalty);
    v = v * inv_temperature;
    return v;
}

// Ascending keys are descending scores.
uint key_of(float s) {
    const uint bits = floatBitsToUint(s == 0.0 ? 0.0 : s); // +0 and -0 have one key
    return (bits & 0x80000000u) != 0u ? bits : 0x7fffffffu - bits;
}

// e^(score - top)
float share_of(float s) {
    precise float d = s - top;
    return s == top ? 1.0 : exact_exp(d);
}

uint weight_of(float s) {
    const float share = share_of(s);
    precise float w = share * unit;
    return key_of(s) <= limit && share >= min_share ? uint(w) : 0u;
}

const uint COUNT = 0u, WEIGHT = 1u, DRAW = 2u;

// The least key at which the running sum of ones or weights exceeds `target`. The key is the score's (COUNT,
// WEIGHT) or the id (DRAW).
uint search(uint mode, uint target) {
    uint found = 0u;
    for (uint pass = mode == DRAW ? 1u : 0u; pass < 4u; pass++) {
        const uint shift = 24u - 8u * pass;
        for (uint i = gl_LocalInvocationID.x; i < 256u; i += gl_WorkGroupSize.x) histogram[i] = 0u;
        barrier();
        for (uint i = gl_LocalInvocationID.x; i < n_candidates; i += gl_WorkGroupSize.x) {
            const uint id = candidate(i);
            if (mode == DRAW && ((id ^ found) >> shift) > 255u) continue;
            const float s = score(id);
            const uint key = mode == DRAW ? id : key_of(s);
            // Skip keys whose digits before this one differ
            if (((key ^ found) >> shift) > 255u) continue;
            const uint weight = mode == COUNT ? 1u : weight_of(s);
            if (weight != 0u) atomicAdd(histogram[(key >> shift) & 255u], weight);
        }
        barrier();
        for (uint i = gl_LocalInvocationID.x; i < 16u; i += gl_WorkGroupSize.x) {
            uint sum = 0u;
            for (uint bin = 16u * i; bin < 16u * i + 16u; bin++) sum += histogram[bin];
            coarse[i] = sum;
        }
        barrier();
        if (gl_LocalInvocationID.x == 0u) {
            uint sum = 0u, bin = 0u;
            for (; bin < 240u && sum + coarse[bin / 16u] <= target; bin += 16u) sum += coarse[bin / 16u];
            while (bin < 255u && sum + histogram[bin] <= target) sum += histogram[bin++];
            digit = bin;
            before = sum;
        }
        barrier();
        found |= digit << shift;
        target -= before;
        barrier(); // all invocations have read the histogram
    }
    return found;
}

// Sum of weights, or with `shares` of e^(score - top) in parts of 2^30, as total_high * 2^32 + total_low
void add_up(bool shares) {
    if (gl_LocalInvocationID.x == 0u) {
        total_low = 0u;
        total_high = 0u;
    }
    barrier();
    uint low = 0u, high = 0u;
    for (uint i = gl_LocalInvocationID.x; i < n_candidates; i += gl_WorkGroupSize.x) {
        const float s = score(candidate(i));
        precise float share = share_of(s) * 1073741824.0;
        const uint part = !shares ? weight_of(s) : key_of(s) <= limit ? uint(share) : 0u;
        uint carry;
        low = uaddCarry(low, part, carry);
        high += carry;
    }
    const uint old = atomicAdd(total_low, low);
    atomicAdd(total_high, high + (old + low < old ? 1u : 0u));
    barrier();
}

// 32 random bits from the seed and the position: Philox 2x32 with ten rounds
uint random_bits() {
    uint key = word(SEED_LOW), a = word(POSITION) + row, b = word(SEED_HIGH);
    for (int i = 0; i < 10; i++) {
        uint high, low;
        umulExtended(a, 0xd256d193u, high, low);
        a = high ^ key ^ b;
        b = low;
        key += 0x9e3779b9u;
    }
    return a;
}

// Sets best_key to the best score's key, best_id to the lowest id with that score, and largest to the bits of
// the largest logit without its sign.
void find_best() {
    if (gl_LocalInvocationID.x == 0u) {
        best_key = 0xffffffffu;
        best_id = 0xffffffffu;
        largest = 0u;
    }
    barrier();
    uint key = 0xffffffffu, id_of_key = 0u, size = 0u;
    for (uint id = gl_LocalInvocationID.x; id < args.n_vocab; id += gl_WorkGroupSize.x) {
        const uint bits = floatBitsToUint(logits[args.logits_base + row * args.n_vocab + id]);
        size = max(size, bits == args.forbidden ? 0u : bits & 0x7fffffffu);
        const uint k = key_of(score(id));
        if (k < key) {
            key = k;
            id_of_key = id;
        }
    }
    atomicMin(best_key, key);
    atomicMax(largest, size);
    barrier();
    if (key == best_key && gl_LocalInvocationID.x < args.n_vocab) atomicMin(best_id, id_of_key);
    barrier();
}

#ifdef LIST
// Lists the tokens whose e^(score - top) is 2^-30 or more. No other token has a weight or adds to the total.
void collect() {
    if (gl_LocalInvocationID.x == 0u) n_list = 0u;
    barrier();
    for (uint id = gl_LocalInvocationID.x; id < args.n_vocab; id += gl_WorkGroupSize.x) {
        if (score(id) < top - 20.8) continue; // ln 2^30 = 20.79
        const uint i = atomicAdd(n_list, 1u);
        if (i < CAPACITY) list[i] = id;
    }
    barrier();
    listed = n_list <= CAPACITY;
    if (listed) n_candidates = n_list;
}
#endif

// `top` must be the best token's score.
uint draw() {
    const uint top_k = word(TOP_K);
    const float top_p = uintBitsToFloat(word(TOP_P));
    n_candidates = args.n_vocab;
#ifdef LIST
    collect();
#endif
    if (top_k != 0u && top_k < n_candidates) limit = search(COUNT, top_k - 1u);

    // unit = 2^60 / total. The total exceeds 2^30, and its first 24 bits are exact as a float.
    add_up(true);
    const uint n_bits = total_high != 0u ? 33u + findMSB(total_high) : 1u + findMSB(total_low),
        shift = n_bits - 24u;
    const uint first_bits = shift < 32u ? (total_low >> shift) | (total_high << (32u - shift))
        : total_high >> (shift - 32u);
    precise float per_share =
        exact_reciprocal(float(first_bits)) * uintBitsToFloat((127u + 60u - shift) << 23);
    unit = per_share;
    barrier(); // all invocations have read the total

    uint high, low;
    if (top_p > 0.0 && top_p < 1.0) {
        add_up(false);
        precise float parts = top_p * 16777216.0;
        umulExtended(total_low, uint(parts), high, low);
        const uint mass = (high << 8) | (low >> 24);
        barrier();
        limit = search(WEIGHT, max(mass, 1u) - 1u);
    }
    min_share = uintBitsToFloat(word(MIN_P));
    add_up(false);
    umulExtended(total_low, random_bits(), high, low);
    return search(DRAW, high);
}

void main() {
    // The least normal number: whether a device keeps smaller ones does not matter
    const bool greedy = int(word(TEMPERATURE)) < 0x00800000;
    const uint position = word(POSITION), n_sampled = word(N_SAMPLED);
    const bool first = gl_LocalInvocationID.x == 0u;
    penalty = uintBitsToFloat(word(PENALTY));
    if (!(penalty > 0.0)) penalty = 1.0;
    inv_penalty = exact_reciprocal(penalty);

    uint token = 0u;
    bool guessed = true, finite = true;
    for (row = 0u; row < args.n_rows && guessed; row++) {
        limit = 0xffffffffu;
        min_share = 0.0;
        inv_temperature = 1.0;
        find_best();
        // -infinity has itself as its key: no other token is left
        finite = largest < 0x7f800000u && (args.forbidden == 0u || best_key < args.forbidden);
        if (!greedy) {
            inv_temperature = exact_reciprocal(uintBitsToFloat(word(TEMPERATURE)));
            top = score(best_id);
        }
        // Where the temperature makes the best score infinite, every other token's share is 0
        const bool sure = greedy || (floatBitsToUint(top) & 0x7fffffffu) >= 0x7f800000u;
        token = !finite ? 0u : sure ? best_id : draw();
        barrier(); // all invocations have read the data that is written next
        guessed = finite && row + 1u < args.n_rows && token == drafts[args.drafts_base + IDS + row + 1u];
        if (first) {
            ring[args.ring_base + (n_sampled + row) % args.n_ring] = finite ? token : args.not_finite;
            if (finite) seen[args.seen_base + token] = 1u;
            if (args.n_rows > 1u) drafts[args.drafts_base + NEXT + row] = token;
        }
        memoryBarrierBuffer(); // the next row reads this token
        barrier();
    }
    if (!first) return;
    step_words[args.step_base + TOKEN] = token;
    step_words[args.step_base + POSITION] = position + row;
    step_words[args.step_base + N_SAMPLED] = n_sampled + args.n_rows;
    if (args.n_rows == 1u) return;
    drafts[args.drafts_base + POSITION] = position + row - 1u;
    drafts[args.drafts_base + FIRST] = position;
    drafts[args.drafts_base + LAST_ROW] = row - 1u;
    drafts[args.drafts_base + IDS] = token;
    for (; row < args.n_rows; row++) {
        ring[args.ring_base + (n_sampled + row) % args.n_ring] = 0xffffffffu; // FATHOM_NO_TOKEN
        drafts[args.drafts_base + NEXT + row] = token;
    }
}
