// Grouped-query attention. A position's row is the keys of n_kv heads, then their values; n_heads / n_kv
// query heads share each. Queries are q[n_tokens], a stride apart, of [n_heads][n_head].
uint row_width() { return 2u * args.n_kv * args.n_head; }
uint key_width() { return args.n_head; }
uint value_width() { return args.n_head; }
uint query_at(uint token, uint head) { return args.q_base + token * args.q_stride + head * args.n_head; }

struct Heads { uint first, end, key, value; }; // heads [first, end); where key and value begin in a row

// The heads of a workgroup are always of one group.
Heads pick_heads(uint group, uint n) {
    const uint of_kv = args.n_heads / args.n_kv, per_kv = (of_kv + n - 1u) / n, kv = group / per_kv;
    return Heads(kv * of_kv + group % per_kv * n, (kv + 1u) * of_kv, kv * args.n_head,
        (args.n_kv + kv) * args.n_head);
}

uint token_position();
uint n_attended() { return min(token_position() + 1u, args.max_positions); }
uint attended_position(uint i) { return i; }
