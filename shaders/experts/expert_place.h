// Arguments of the placement of experts in slots; see include/fathom/ops.h.
#include "../include/args.h"
ARGS(expert_place) {
    uint n_choices;                                       // n_tokens * top_k
    uint n_experts, n_slots, n_rounds;                    // n_rounds: the most that the batch can have
    uint ids_base, state_base, places_base, fetches_base; // words
    uint history;                                         // 1: the call counts in the depths
}
ARGS_END
