/*
 * logic_fractional.c - flagd's `fractional`
 *
 * [key, [variant, weight]…]. Without a key, or where the key gives no text, the flag's key followed
 * by the targetingKey is hashed; without that, or with one that is empty, there is no bucket.
 * Negative weights count as 0.
 */
#include "flag/logic_node.h"

typedef struct pt_logic_value value_t;

static bool bucketing_key(struct pt_logic_run *run, const value_t *given, struct pt_buf *text)
{
    value_t targeting_key;

    if (given && given->kind == PT_LOGIC_STRING) {
        pt_buf_append(text, given->text.data, given->text.size);
        return true;
    }
    targeting_key = pt_logic_member(&run->data, pt_span_str("targetingKey"));
    if (targeting_key.kind != PT_LOGIC_STRING || targeting_key.text.size == 0) {
        run->is_key_missing = true;
        return false;
    }
    run->is_key_missing = false;
    pt_buf_append(text, run->flag_key.data, run->flag_key.size);
    pt_buf_append(text, targeting_key.text.data, targeting_key.text.size);
    return true;
}

/* The weight of one entry. False where it is none: the whole rule then gives null. */
static bool read_weight(struct pt_logic_run *run, const struct pt_logic *entry, const value_t *data,
                        uint32_t *weight_out, bool *is_sound_out)
{
    value_t given = pt_logic_number(1);

    if (entry->op == PT_OP_LIST) {
        if (entry->arg_count > 1 && !pt_logic_eval_node(run, &entry->args[1], data, &given)) {
            return false;
        }
        *is_sound_out = entry->arg_count >= 1 && entry->arg_count <= 2;
    } else {
        *is_sound_out = entry->op == PT_OP_CONSTANT && entry->value.kind == PT_LOGIC_ARRAY &&
                        entry->value.count >= 1 && entry->value.count <= 2;
        if (*is_sound_out && entry->value.count > 1) {
            given = entry->value.items[1];
        }
    }
    *is_sound_out = *is_sound_out && given.kind == PT_LOGIC_NUMBER && given.number <= INT32_MAX;
    *weight_out = *is_sound_out && given.number > 0 ? (uint32_t)given.number : 0;
    return true;
}

bool pt_logic_eval_fractional(struct pt_logic_run *run, const struct pt_logic *node,
                              const value_t *data, value_t *out)
{
    const struct pt_logic *entries = node->args;
    uint32_t count = node->arg_count;
    bool has_key = count > 0 && entries[0].op != PT_OP_LIST &&
                   !(entries[0].op == PT_OP_CONSTANT && entries[0].value.kind == PT_LOGIC_ARRAY);
    struct pt_buf text;
    value_t key;
    uint32_t *weights = NULL;
    uint64_t total = 0;
    uint32_t bucket = 0;
    bool is_sound = true;
    bool has_text = false;

    *out = pt_logic_null();
    if (has_key && !pt_logic_eval_node(run, &entries[0], data, &key)) {
        return false;
    }
    entries += has_key;
    count -= has_key;
    weights = pt_arena_alloc(run->arena, ((size_t)count + 1) * sizeof(*weights));
    if (!weights) {
        return pt_logic_no_memory(run);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!read_weight(run, &entries[i], data, &weights[i], &is_sound)) {
            return false;
        }
        if (!is_sound) {
            return true;
        }
        total += weights[i];
    }
    if (total == 0 || total > INT32_MAX) {
        return true;
    }
    pt_buf_init(&text, PT_LOGIC_TEXT_BYTES_MAX);
    has_text = bucketing_key(run, has_key ? &key : NULL, &text);
    if (has_text && !text.has_failed) {
        bucket = pt_fractional_bucket(pt_buf_span(&text), weights, count, (uint32_t)total);
    }
    is_sound = !text.has_failed;
    pt_buf_release(&text);
    if (!is_sound) {
        return pt_logic_no_memory(run);
    }
    if (!has_text || bucket >= count) {
        return true;
    }
    if (entries[bucket].op == PT_OP_CONSTANT) {
        *out = entries[bucket].value.items[0];
        return true;
    }
    return pt_logic_eval_node(run, &entries[bucket].args[0], data, out);
}
