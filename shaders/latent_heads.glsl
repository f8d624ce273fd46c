// Multi-head latent attention, absorbed: all heads share a position's row, which is the key; its first kv_rank values are the value.
// q[n_tokens][n_heads][kv_rank + n_rope]
uint row_width() { return args.kv_rank + args.n_rope; }
uint key_width() { return args.kv_rank + args.n_rope; }
uint value_width() { return args.kv_rank; }
uint query_at(uint token, uint head) { return args.q_base + (token * args.n_heads + head) * key_width(); }

struct Heads { uint first, end, key, value; };                     // heads [first, end); where key and value begin in a row

Heads pick_heads(uint group, uint n) { return Heads(group * n, args.n_heads, 0u, 0u); }
