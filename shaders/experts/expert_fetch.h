// Arguments of the copy of experts into slots; see include/fathom/ops.h.
#include "../include/args.h"
ARGS(expert_fetch) {
    uint n_slots;
    uint source_number;
    uint gate_words, up_words, down_words; // of a matrix
    uint list_base;                        // of the round in `fetches`; words, as the others
    uint homes_base, source_base;
}
ARGS_END
